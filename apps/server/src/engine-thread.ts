import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Embedding, EngineCore, type IdChunk, type Reader, RequestError } from '@cria/inference';
import { countParameters } from '@cria/layers';
import { engineOptionsOf } from './engine-options.ts';
import { Matchers } from './grammar/matchers.ts';
import type { LoadedModel } from './load-model.ts';
import type { EngineSettings, FromEngine, ModelFacts, PlainError, ToEngine } from './protocol.ts';

/**
 * The engine's side of the two threads: loads the model, says that it is ready, and takes requests
 * until it is told to close. A fault of a request or of one text is answered; a fault of the engine
 * ends the thread, and the HTTP side sees to the rest.
 */
export async function serveEngine(load: (settings: EngineSettings) => Promise<LoadedModel>): Promise<void> {
  if (!parentPort) throw new Error('[engine-thread] this runs in a worker thread only.');
  const settings = workerData as EngineSettings; // as the HTTP side wrote it
  try {
    const loaded = await load(settings);
    const { model, tokenizer, eosIds } = loaded;
    const { vocabSize } = tokenizer;
    const engine = new EngineCore({ model, vocabSize, eosIds, ...engineOptionsOf(settings) });
    const service = new Service(parentPort, engine, loaded);
    service.say({ type: 'ready', facts: factsOf(loaded, engine, settings.maxSequences) });
  } catch (error) {
    giveUp(parentPort, error);
  }
}

type Step = Extract<FromEngine, { type: 'step' }>;

class Service {
  readonly #port: MessagePort;
  readonly #engine: EngineCore;
  readonly #loaded: LoadedModel;
  readonly #matchers: Matchers;
  /** What cancels each text that runs or waits. */
  readonly #running = new Map<number, () => void>();
  /** What came since the last message. */
  #chunks: Step['chunks'][number][] = [];
  #vectors: Step['vectors'][number][] = [];
  #broken: Step['broken'][number][] = [];

  constructor(port: MessagePort, engine: EngineCore, loaded: LoadedModel) {
    this.#port = port;
    this.#engine = engine;
    this.#loaded = loaded;
    this.#matchers = new Matchers(loaded.tokenizer, loaded.eosIds);
    port.on('message', (message: ToEngine) => {
      if (message.type === 'generate') this.#start(message);
      else if (message.type === 'embed') this.#embed(message);
      else if (message.type === 'cancel') this.#cancel(message.id);
      else void this.#close();
    });
  }

  say(message: FromEngine): void {
    this.#port.postMessage(message);
  }

  #start({ first, request }: Extract<ToEngine, { type: 'generate' }>): void {
    const { prompts, n, options, grammar } = request;
    try {
      this.#engine.checkQueue('engine.generate', prompts.length * n, total(prompts) * n);
      prompts.forEach((ids, p) => {
        for (let stream = 0; stream < n; stream++) {
          const id = first + p * n + stream;
          const sampling = { ...options.sampling, stream };
          const constraint = grammar && this.#matchers.start(grammar);
          const asked = { ...options, sampling, ids, ...(constraint && { constraint }) };
          this.#running.set(id, this.#engine.generate(asked, this.#readerOf(id)));
        }
      });
    } catch (error) {
      return this.#refuse(first, prompts.length * n, error);
    }
    this.say({ type: 'accepted', first });
  }

  /** Prompts are read beside texts, under the same rules of queue and budget; each is told when it is done. */
  #embed({ first, request }: Extract<ToEngine, { type: 'embed' }>): void {
    const { prompts, options } = request;
    try {
      this.#engine.checkQueue('engine.embed', prompts.length, total(prompts));
      for (const [p, ids] of prompts.entries()) {
        const id = first + p;
        this.#running.set(id, this.#engine.embed({ ...options, ids }, this.#vectorReaderOf(id)));
      }
    } catch (error) {
      return this.#refuse(first, prompts.length, error);
    }
    this.say({ type: 'accepted', first });
  }

  /** All of a request or none of it. */
  #refuse(first: number, count: number, error: unknown): void {
    for (let id = first; id < first + count; id++) this.#cancel(id);
    this.say({ type: 'refused', first, error: toPlain(error) });
  }

  #readerOf(id: number): Reader<IdChunk> {
    return {
      take: (chunk) => {
        this.#soon();
        this.#chunks.push([id, chunk]);
        if (chunk.finishReason) this.#running.delete(id);
      },
      fail: (error) => this.#fail(id, error),
    };
  }

  /** Unlike a text, a vector comes whole. */
  #vectorReaderOf(id: number): Reader<Embedding> {
    return {
      take: (embedding) => {
        this.#soon();
        this.#vectors.push([id, embedding]);
        this.#running.delete(id);
      },
      fail: (error) => this.#fail(id, error),
    };
  }

  /** Ends one piece of work, and no other. */
  #fail(id: number, error: unknown): void {
    this.#soon();
    this.#broken.push([id, toPlain(error)]);
    this.#running.delete(id);
  }

  #cancel(id: number): void {
    this.#running.get(id)?.();
    this.#running.delete(id);
  }

  /** Everything that one step brings is told at once, and so in one message. */
  #soon(): void {
    const told = this.#chunks.length + this.#vectors.length + this.#broken.length;
    if (told === 0) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const { failure } = this.#engine;
    if (failure !== undefined) return giveUp(this.#port, failure);
    const [chunks, vectors, broken] = [this.#chunks, this.#vectors, this.#broken];
    [this.#chunks, this.#vectors, this.#broken] = [[], [], []];
    this.say({ type: 'step', chunks, vectors, broken });
  }

  async #close(): Promise<void> {
    await this.#engine.close();
    this.#loaded.model.device[Symbol.dispose]();
    this.#port.close();
  }
}

function total(prompts: readonly ArrayLike<number>[]): number {
  return prompts.reduce((sum, { length }) => sum + length, 0);
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
  engine: EngineCore,
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
