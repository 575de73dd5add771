import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import {
  type EncodedPrompt,
  encodePrompt,
  Engine,
  type GenerationChunk,
  LONG_PROMPT,
  RequestError,
} from '@cria/inference';
import { countParameters } from '@cria/layers';
import { engineOptionsOf } from './engine-options.ts';
import type { LoadedModel } from './load-model.ts';
import { PromptEncoder } from './prompt-encoder.ts';
import type {
  EngineSettings,
  FromEngine,
  ModelFacts,
  PlainError,
  TextsRequest,
  ThreadFile,
  ToEngine,
} from './protocol.ts';

/**
 * The engine's side of the two threads: loads the model, says that it is ready, and takes requests until it is told to close. A
 * fault of a request or of one text is answered; a fault of the engine ends the thread, and the HTTP side sees to the rest.
 * `promptThread`: where long prompts are encoded; without it here, between two steps of the engine.
 */
export async function serveEngine(
  load: (settings: EngineSettings) => Promise<LoadedModel>,
  promptThread?: ThreadFile,
): Promise<void> {
  if (!parentPort) throw new Error('[engine-thread] this runs in a worker thread only.');
  const settings = workerData as EngineSettings; // as the HTTP side wrote it
  try {
    const loaded = await load(settings);
    const { model, tokenizer, eosIds } = loaded;
    const { maxSequences, maxWaiting } = settings;
    const encoder = promptThread && new PromptEncoder(promptThread, settings);
    const engine = new Engine({ model, tokenizer, eosIds, ...engineOptionsOf(settings) });
    const service = new Service({
      port: parentPort,
      engine,
      loaded,
      encoder,
      mostTexts: maxSequences + maxWaiting,
    });
    service.say({ type: 'ready', facts: factsOf(loaded, service.engine, maxSequences) });
  } catch (error) {
    giveUp(parentPort, error);
  }
}

interface Parts {
  readonly port: MessagePort;
  readonly engine: Engine;
  readonly loaded: LoadedModel;
  readonly encoder: PromptEncoder | undefined;
  /** Texts that may be made or wait, those whose prompts are still encoded included. */
  readonly mostTexts: number;
}

class Service {
  readonly engine: Engine;
  readonly #parts: Parts;
  readonly #running = new Map<number, AsyncIterableIterator<GenerationChunk>>();
  /** Texts whose prompts are on their way through the encoder. */
  #encoding = 0;

  constructor(parts: Parts) {
    this.engine = parts.engine;
    this.#parts = parts;
    parts.port.on('message', (message: ToEngine) => {
      if (message.type === 'generate') void this.#start(message);
      else if (message.type === 'cancel') void this.#running.get(message.id)?.return?.();
      else void this.#close();
    });
  }

  say(message: FromEngine): void {
    this.#parts.port.postMessage(message);
  }

  async #start({ first, request }: Extract<ToEngine, { type: 'generate' }>): Promise<void> {
    const texts: AsyncIterableIterator<GenerationChunk>[] = [];
    try {
      for (const prompt of await this.#read(request)) {
        for (let stream = 0; stream < request.n; stream++)
          texts.push(this.engine.generate({ ...request.options, prompt, stream }));
      }
    } catch (error) {
      for (const text of texts) void text.return?.();
      return this.say({ type: 'refused', first, error: toPlain(error) });
    }
    this.say({ type: 'accepted', first });
    texts.forEach((text, i) => void this.#forward(first + i, text));
  }

  /**
   * Prompts with their ids, each encoded once. Much text is weighed first, and encoded where nobody
   * else waits for it.
   */
  async #read({ prompts, n }: TextsRequest): Promise<(readonly number[] | EncodedPrompt)[]> {
    const { encoder, loaded } = this.#parts;
    const texts = prompts.filter((prompt) => typeof prompt === 'string');
    for (const text of texts) this.engine.checkLength(text);
    const much = texts.reduce((sum, { length }) => sum + length, 0) >= LONG_PROMPT;
    const encode = (text: string) =>
      much && encoder ? encoder.encode(text) : encodePrompt(loaded.tokenizer, text);
    const read = () =>
      Promise.all(
        prompts.map(async (each) =>
          typeof each === 'string' ? { text: each, ids: await encode(each) } : each,
        ),
      );
    if (!much) return read();
    const coming = prompts.length * n;
    this.#refuseMoreThanMay(coming);
    this.#encoding += coming;
    try {
      return await read();
    } finally {
      this.#encoding -= coming;
    }
  }

  /** Who waits for the encoder is not in the engine's queue yet, but takes a place in it. */
  #refuseMoreThanMay(coming: number): void {
    const { running, waiting } = this.engine.stats;
    const active = running + waiting + this.#encoding;
    if (active + coming <= this.#parts.mostTexts) return;
    const what = `${active} texts are running or waiting, and ${coming} more are too many.`;
    throw new RequestError('queue_full', 'engine', what, { hint: 'try again later' });
  }

  async #forward(id: number, text: AsyncIterableIterator<GenerationChunk>): Promise<void> {
    this.#running.set(id, text);
    try {
      for await (const chunk of text) this.say({ type: 'chunk', id, chunk });
    } catch (error) {
      const { failure } = this.engine;
      if (failure === undefined) this.say({ type: 'broken', id, error: toPlain(error) });
      else giveUp(this.#parts.port, failure);
    } finally {
      this.#running.delete(id);
    }
  }

  async #close(): Promise<void> {
    const { port, loaded, encoder } = this.#parts;
    await this.engine.close();
    await encoder?.close();
    loaded.model.device[Symbol.dispose]();
    port.close();
  }
}

function giveUp(port: MessagePort, error: unknown): void {
  port.postMessage({ type: 'failed', message: messageOf(error) } satisfies FromEngine);
  port.close();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stackOf(error: unknown): string {
  return (error instanceof Error && error.stack) || messageOf(error);
}

function toPlain(error: unknown): PlainError {
  if (!(error instanceof RequestError)) return { code: 'internal', message: stackOf(error) };
  const { code, message, param } = error;
  return { code, message, ...(param !== undefined && { param }) };
}

function factsOf(
  { model, format, id, fallbackReason, warnings }: LoadedModel,
  engine: Engine,
  maxSequences: number,
): ModelFacts {
  const { config, device } = model;
  return {
    id,
    format,
    parameters: countParameters(config),
    layers: config.nLayers,
    dim: config.dim,
    heads: config.nHeads,
    kvHeads: config.nKvHeads,
    vocabSize: config.vocabSize,
    contextLength: engine.contextLength,
    device: device.description,
    ...(fallbackReason !== undefined && { fallbackReason }),
    ...(warnings.length > 0 && { warnings }),
    maxSequences,
    cacheBytes: engine.stats.cacheBytes,
  };
}
