import { checkOptions, fail } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { EngineCore, type EngineStats } from '../engine/engine-core.ts';
import { type EngineCoreOptions, engineCoreOptions } from '../engine/options.ts';
import type { EmbedRequest, IdRequest } from '../sequence/id-request.ts';
import type { Embedding } from '../sequence/results.ts';
import type { GenerationChunk } from './output.ts';
import { type EncodedPrompt, PromptReader } from './prompt.ts';
import { type GenerationRequest, resolveText } from './text-request.ts';
import { TextReader } from './text-reader.ts';

export interface EngineOptions extends Omit<EngineCoreOptions, 'vocabSize'> {
  readonly tokenizer: Tokenizer;
  /** Ids that end a text. Default the tokenizer's EOS. */
  readonly eosIds?: readonly number[];
}

/** A text to embed, or its ids. */
export interface TextEmbedRequest extends Omit<EmbedRequest, 'ids'> {
  readonly prompt: string | ArrayLike<number> | EncodedPrompt;
}

/**
 * Generates many texts at once with one model: `EngineCore`, which knows ids alone, with a tokenizer
 * before and a text after it. What a request yields depends on the request and the model alone.
 */
export class Engine implements AsyncDisposable {
  /** The engine in ids. */
  readonly core: EngineCore;
  readonly #tokenizer: Tokenizer;
  readonly #prompts: PromptReader;

  constructor(options: EngineOptions) {
    checkOptions('engine', options, [
      ...engineCoreOptions.filter((name) => name !== 'vocabSize'),
      'tokenizer',
    ]);
    const { tokenizer, ...rest } = options;
    const { vocabSize } = options.model.config;
    if (tokenizer.vocabSize > vocabSize) {
      const what = `the tokenizer has ${tokenizer.vocabSize} ids, the model ${vocabSize}.`;
      fail('engine', what, 'take the tokenizer of this model');
    }
    const eosIds = options.eosIds ?? (tokenizer.eosId === undefined ? [] : [tokenizer.eosId]);
    this.core = new EngineCore({ ...rest, eosIds, vocabSize: tokenizer.vocabSize });
    this.#tokenizer = tokenizer;
    this.#prompts = new PromptReader(tokenizer);
  }

  /** Tokens that prompt and text can have together. */
  get contextLength(): number {
    return this.core.contextLength;
  }

  /** Why the engine ended by itself: a pass through the model failed. Undefined while it works, and after `close()`. */
  get failure(): unknown {
    return this.core.failure;
  }

  get stats(): EngineStats {
    return this.core.stats;
  }

  /**
   * Queues a request and returns its text as it comes. The work starts at once, whether or not
   * anyone reads; leaving the loop or `return()` cancels it. @throws RequestError at the call for
   * anything wrong with the request, or with a full queue
   */
  generate(request: GenerationRequest): AsyncIterableIterator<GenerationChunk> {
    const op = 'engine.generate';
    this.core.checkOpen(op);
    const { request: inIds, ...text } = resolveText(op, request, this.#prompts, this.contextLength);
    const reader = new TextReader({ tokenizer: this.#tokenizer, prompt: inIds.ids, ...text });
    if (request.signal?.aborted) reader.fail(request.signal.reason);
    else this.#start(reader, inIds, request.signal);
    return reader.output;
  }

  /**
   * The vector of a text. @throws RequestError for anything wrong with the request; rejects with
   * the signal's reason
   */
  async embed({ prompt, ...rest }: TextEmbedRequest): Promise<Embedding> {
    const { ids } = this.#prompts.read('engine.embed', prompt, this.contextLength);
    return new Promise((take, fail) => this.core.embed({ ...rest, ids }, { take, fail }));
  }

  /**
   * Refuses a text that cannot fit the context, whatever its ids are, in little time: for those who
   * encode long prompts elsewhere.
   * @throws RequestError as `generate` would
   */
  checkLength(text: string): void {
    this.#prompts.weigh('engine.generate', text, this.contextLength);
  }

  /** Ends everything that still runs with an error, waits for the step under way, and frees the cache. */
  close(): Promise<void> {
    return this.core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(reader: TextReader, request: IdRequest, signal: AbortSignal | undefined): void {
    let cancel = () => {};
    const abort = () => reader.fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    reader.output.onEnd(() => {
      signal?.removeEventListener('abort', abort);
      cancel();
    });
    try {
      cancel = this.core.generate(request, reader);
    } catch (error) {
      void reader.output.return();
      throw error;
    }
  }
}
