import type { Llama } from '@cria/layers';
import { checkOptions, type ComputeDType, fail, openStep } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { BlockPool } from './block-pool.ts';
import { Generation } from './generation.ts';
import { bytesPerBlock, type CacheDType, checkCacheDType, KeyValueBlocks } from './key-value-blocks.ts';
import type { GenerationChunk } from './output.ts';
import { PromptReader } from './prompt.ts';
import { RequestError } from './request-error.ts';
import { type GenerationRequest, resolveRequest } from './request.ts';
import { Sampler } from './sampling.ts';
import { Scheduler, type Turn } from './scheduler.ts';

export interface EngineOptions {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
  /** Ids that end a text. Default the tokenizer's EOS. */
  readonly eosIds?: readonly number[];
  /** Size of the key/value cache in blocks; default by `memory`. */
  readonly blocks?: number;
  /** Size of the key/value cache in bytes; default 1 GiB, or less where `maxSequences` whole contexts need less. */
  readonly memory?: number;
  /** Tokens per block. Default 16. */
  readonly blockSize?: number;
  /**
   * Most tokens in one step, of all sequences: throughput of prompts against latency of everyone
   * else's next token. Default 256.
   */
  readonly maxBatchRows?: number;
  /** Most tokens of one prompt in one step. Default `maxBatchRows`. */
  readonly prefillChunk?: number;
  /** Most sequences that are generated together. Default 16. */
  readonly maxSequences?: number;
  /** Most requests that wait for their turn; more are refused. Default 256. */
  readonly maxWaiting?: number;
  /** Dtype of activations. Default f32. */
  readonly dtype?: ComputeDType;
  /**
   * How the cache stores keys and values: halves take half the memory and time of f32, `q8_0` a
   * quarter of the memory. Default as the activations. The same text comes out of any batch for
   * each of them, not the same text as of another.
   */
  readonly cacheDType?: CacheDType;
}

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  /** Memory of the cache, all blocks together. */
  readonly cacheBytes: number;
  /** Passes through the model so far. */
  readonly steps: number;
  /** How often a sequence lost its blocks and was computed again. */
  readonly preemptions: number;
}

const OPTIONS = [
  'model',
  'tokenizer',
  'eosIds',
  'blocks',
  'memory',
  'blockSize',
  'maxBatchRows',
  'prefillChunk',
  'maxSequences',
  'maxWaiting',
  'dtype',
  'cacheDType',
] as const satisfies readonly (keyof EngineOptions)[];

const GIB = 2 ** 30;

/**
 * Generates many texts at once with one model. Requests join and leave between steps; what a
 * request yields depends on the request and the model alone, not on the others, on preemption or on
 * any limit here (on devices that are `batchInvariant`). The engine owns its cache, not the model;
 * `close()` it before the model goes.
 */
export class Engine implements AsyncDisposable {
  /** Tokens that prompt and text can have together. */
  readonly contextLength: number;
  #model: Llama;
  #tokenizer: Tokenizer;
  #prompts: PromptReader;
  #eosIds: ReadonlySet<number>;
  #dtype: ComputeDType;
  #cacheBytes: number;
  #maxActive: number;
  #scheduler: Scheduler<Generation>;
  #cache: KeyValueBlocks;
  #sampler: Sampler;
  /** Of the last step; used up before the next one. */
  #logits = new Float32Array(0);
  #steps = 0;
  #loop: Promise<void> | undefined;
  #closed: { readonly cause?: unknown } | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    checkOptions('engine', options, OPTIONS);
    const {
      model,
      tokenizer,
      blockSize = 16,
      maxBatchRows = 256,
      maxSequences = 16,
      dtype = 'f32',
    } = options;
    const { prefillChunk = maxBatchRows, maxWaiting = 256 } = options;
    const { config, device } = model;
    checkWhole({ blockSize, maxBatchRows, prefillChunk, maxSequences }, 1);
    checkWhole({ maxWaiting }, 0);
    if (tokenizer.vocabSize > config.vocabSize) {
      fail(
        'engine',
        `the tokenizer has ${tokenizer.vocabSize} ids, the model ${config.vocabSize}.`,
        'take the tokenizer of this model',
      );
    }
    if (options.cacheDType !== undefined) checkCacheDType('engine', options.cacheDType, config);
    const shape = { layers: model.blocks, blockSize, dtype: options.cacheDType ?? dtype };
    const wholeContexts = maxSequences * Math.ceil(config.contextLength / blockSize);
    const { memory = GIB } = options;
    const blocks = options.blocks ?? Math.min(wholeContexts, Math.floor(memory / bytesPerBlock(shape)));
    if (!(Number.isSafeInteger(blocks) && blocks >= 1)) {
      fail(
        'engine',
        `a cache of ${blocks} blocks.`,
        `one block of ${blockSize} tokens takes ${bytesPerBlock(shape)} bytes`,
      );
    }
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#prompts = new PromptReader(tokenizer);
    this.#eosIds = new Set(options.eosIds ?? (tokenizer.eosId === undefined ? [] : [tokenizer.eosId]));
    this.#dtype = dtype;
    this.#cacheBytes = blocks * bytesPerBlock(shape);
    this.#maxActive = maxSequences + maxWaiting;
    this.#scheduler = new Scheduler(new BlockPool(blocks, blockSize), {
      maxBatchRows,
      prefillChunk,
      maxSequences,
    });
    this.#cache = new KeyValueBlocks(device, blocks, shape);
    this.#sampler = new Sampler(tokenizer.vocabSize);
    this.contextLength = Math.min(config.contextLength, this.#scheduler.maxTokens);
  }

  /** Why the engine ended by itself: a pass through the model failed. Undefined while it works, and after `close()`. */
  get failure(): unknown {
    return this.#closed?.cause;
  }

  get stats(): EngineStats {
    const { running, waiting, pool, preemptions } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.length,
      blocks: pool.size,
      freeBlocks: pool.freeCount,
      cacheBytes: this.#cacheBytes,
      steps: this.#steps,
      preemptions,
    };
  }

  /**
   * Queues a request and returns its text as it comes. The work starts at once, whether or not anyone reads; leaving the loop or
   * `return()` cancels it. @throws RequestError at the call for anything wrong with the request, or with a full queue
   */
  generate(request: GenerationRequest): AsyncIterableIterator<GenerationChunk> {
    const op = 'engine.generate';
    if (this.#closed) throw new RequestError('engine_closed', op, 'the engine is closed.', this.#closed);
    const { running, waiting } = this.#scheduler;
    const resolved = resolveRequest(op, request, this.#prompts, this.contextLength);
    if (running.length + waiting.length >= this.#maxActive) {
      const what = `${running.length + waiting.length} requests are running or waiting, and no more may.`;
      throw new RequestError('queue_full', op, what, { hint: 'try again later' });
    }
    const generation = new Generation(resolved, this.#tokenizer);
    if (resolved.maxTokens === 0) generation.finishEmpty();
    else this.#start(generation, request.signal);
    return generation.output;
  }

  /**
   * Refuses a text that cannot fit the context, whatever its ids are, in little time: for those who encode long prompts elsewhere.
   * @throws RequestError as `generate` would
   */
  checkLength(text: string): void {
    this.#prompts.weigh('engine.generate', text, this.contextLength);
  }

  /** Ends everything that still runs with an error, waits for the step under way, and frees the cache. */
  close(): Promise<void> {
    return (this.#closing ??= this.#shutDown());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    if (!this.#closed)
      this.#end(new RequestError('engine_closed', 'engine.close', 'the engine was closed.'), {});
    await this.#loop;
    this.#cache.free();
  }

  #start(generation: Generation, signal: AbortSignal | undefined): void {
    const { output } = generation;
    if (signal?.aborted) return generation.fail(signal.reason);
    const abort = () => generation.fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    output.onEnd(() => signal?.removeEventListener('abort', abort));
    output.onEnd(() => this.#scheduler.remove(generation));
    this.#scheduler.add(generation);
    this.#loop ??= this.#run();
  }

  async #run(): Promise<void> {
    try {
      // Requests that come together start together.
      await breathe();
      for (let turns = this.#scheduler.schedule(); turns.length > 0; turns = this.#scheduler.schedule()) {
        await this.#step(turns);
        await breathe();
      }
    } catch (error) {
      this.#end(error, { cause: error });
    } finally {
      this.#loop = undefined;
    }
  }

  /** One pass through the model: every turn's tokens, then one more id for each sequence that has caught up. */
  async #step(turns: readonly Turn<Generation>[]): Promise<void> {
    const rows = turns.reduce((sum, turn) => sum + turn.rows, 0);
    const ids = new Int32Array(rows);
    const ending: { generation: Generation; row: number }[] = [];
    let row = 0;
    for (const { sequence, rows: count } of turns) {
      ids.set(sequence.ids.subarray(sequence.computed, sequence.computed + count), row);
      row += count;
      if (sequence.pending === count) ending.push({ generation: sequence, row: row - 1 });
    }
    const logits = await this.#forward(
      ids,
      turns,
      ending.map((each) => each.row),
    );
    this.#steps++;
    this.#scheduler.complete(turns);
    const { vocabSize } = this.#model.config;
    ending.forEach(({ generation }, i) => {
      // Ids that only pad the output matrix are never chosen.
      this.#sample(generation, logits.subarray(i * vocabSize, i * vocabSize + this.#tokenizer.vocabSize));
    });
  }

  /** Logits of the given rows, one after another.                          result: at least [R · V] */
  async #forward(ids: Int32Array, turns: readonly Turn[], rows: readonly number[]): Promise<Float32Array> {
    const model = this.#model;
    using step = openStep(model.device, {
      rows: ids.length,
      dtype: this.#dtype,
      cache: this.#cache.view(turns),
    });
    if (rows.length > 0) {
      const logits = model.predict(ids, step, rows);
      if (logits.dtype !== 'f32') return await logits.toFloat32();
      if (this.#logits.length < logits.size) this.#logits = new Float32Array(logits.size);
      await logits.readInto(this.#logits);
      return this.#logits;
    }
    model.forward(model.tokens(ids, step), step);
    await model.device.flush();
    return this.#logits;
  }

  /** Whatever goes wrong with one text ends that text: the others have nothing to do with it. */
  #sample(generation: Generation, logits: Float32Array): void {
    if (generation.state !== 'running') return; // cancelled during the step
    const { sampling, ignoreEos } = generation.request;
    try {
      const id = this.#sampler.sample(logits, sampling, generation);
      generation.accept(id, !ignoreEos && this.#eosIds.has(id));
    } catch (error) {
      generation.fail(error);
    }
  }

  #end(error: unknown, closed: { cause?: unknown }): void {
    this.#closed = closed;
    const { running, waiting } = this.#scheduler;
    for (const generation of [...running, ...waiting]) generation.fail(error);
  }
}

function checkWhole(options: Readonly<Record<string, number>>, least: number): void {
  for (const [name, value] of Object.entries(options)) {
    if (!(Number.isSafeInteger(value) && value >= least)) {
      fail('engine', `${name} is ${value}.`, `give a whole number from ${least} on`);
    }
  }
}

/** Lets everything else of the event loop have a turn. */
function breathe(): Promise<void> {
  return new Promise((resolve) =>
    typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve),
  );
}
