import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Engine, type GenerationChunk, RequestError } from '@cria/inference';
import { countParameters } from '@cria/layers';
import type { LoadedModel } from './load-model.ts';
import type { EngineSettings, FromEngine, ModelFacts, PlainError, ToEngine } from './protocol.ts';

/**
 * The engine's side of the two threads: loads the model, says that it is ready, and takes requests until it is told to close. A
 * request's fault is answered; a fault of the engine ends the thread, and the HTTP side sees to the rest.
 */
export async function serveEngine(load: (settings: EngineSettings) => Promise<LoadedModel>): Promise<void> {
  if (!parentPort) throw new Error('[engine-thread] this runs in a worker thread only.');
  const settings = workerData as EngineSettings; // as the HTTP side wrote it
  try {
    const loaded = await load(settings);
    const { maxSequences, maxWaiting, maxBatchRows, memory, cacheDType } = settings;
    const { model, tokenizer, eosIds } = loaded;
    const cache = {
      ...(memory !== undefined && { memory }),
      ...(cacheDType !== undefined && { cacheDType }),
    };
    const limits = { maxSequences, maxWaiting, maxBatchRows, ...cache };
    const service = new Service(parentPort, new Engine({ model, tokenizer, eosIds, ...limits }), loaded);
    service.say({ type: 'ready', facts: factsOf(loaded, service.engine, maxSequences) });
  } catch (error) {
    giveUp(parentPort, error);
  }
}

class Service {
  readonly engine: Engine;
  readonly #port: MessagePort;
  readonly #loaded: LoadedModel;
  readonly #running = new Map<number, AsyncIterableIterator<GenerationChunk>>();

  constructor(port: MessagePort, engine: Engine, loaded: LoadedModel) {
    this.engine = engine;
    this.#port = port;
    this.#loaded = loaded;
    port.on('message', (message: ToEngine) => {
      if (message.type === 'generate') this.#start(message);
      else if (message.type === 'cancel') void this.#running.get(message.id)?.return?.();
      else void this.#close();
    });
  }

  say(message: FromEngine): void {
    this.#port.postMessage(message);
  }

  #start({ first, requests }: Extract<ToEngine, { type: 'generate' }>): void {
    const texts: AsyncIterableIterator<GenerationChunk>[] = [];
    try {
      for (const request of requests) texts.push(this.engine.generate(request));
    } catch (error) {
      for (const text of texts) void text.return?.();
      return this.say({ type: 'refused', first, error: toPlain(error) });
    }
    this.say({ type: 'accepted', first });
    texts.forEach((text, i) => void this.#forward(first + i, text));
  }

  async #forward(id: number, text: AsyncIterableIterator<GenerationChunk>): Promise<void> {
    this.#running.set(id, text);
    try {
      for await (const chunk of text) this.say({ type: 'chunk', id, chunk });
    } catch (error) {
      if (error instanceof RequestError) this.say({ type: 'broken', id, error: toPlain(error) });
      else giveUp(this.#port, error);
    } finally {
      this.#running.delete(id);
    }
  }

  async #close(): Promise<void> {
    await this.engine.close();
    this.#loaded.model.device[Symbol.dispose]();
    this.#port.close();
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
  { model, format, id, fallbackReason }: LoadedModel,
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
    maxSequences,
    cacheBytes: engine.stats.cacheBytes,
  };
}
