import { parentPort, Worker, workerData } from 'node:worker_threads';
import { encodePrompt } from '@cria/inference';
import type { Tokenizer } from '@cria/tokenizer';
import type { EngineSettings, ThreadFile } from './protocol.ts';

interface ToEncoder {
  readonly id: number;
  readonly text: string;
}

type FromEncoder =
  { readonly id: number; readonly ids: Int32Array } | { readonly id: number; readonly message: string };

interface Waiting {
  readonly resolve: (ids: Int32Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Encodes long texts on a thread of its own: on the engine's, every running text would stand still
 * meanwhile. The thread starts with the first of them, reads the vocabulary for itself, and a new
 * one takes its place should it break.
 */
export class PromptEncoder {
  readonly #file: ThreadFile;
  readonly #settings: EngineSettings;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 0;

  constructor(file: ThreadFile, settings: EngineSettings) {
    this.#file = file;
    this.#settings = settings;
  }

  /** Ids of a text prompt. @throws whatever the tokenizer says of the text, an Error when the thread breaks */
  encode(text: string): Promise<Int32Array> {
    const id = this.#nextId++;
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, text } satisfies ToEncoder);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const { url, execArgv } = this.#file;
    const worker = new Worker(url, {
      workerData: this.#settings,
      ...(execArgv && { execArgv: [...execArgv] }),
    });
    worker.unref(); // it has nothing to say unasked
    worker.on('message', (answer: FromEncoder) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('ids' in answer) waiting?.resolve(answer.ids);
      else waiting?.reject(new Error(answer.message));
    });
    let reason = '[prompt-encoder] its thread ended.';
    worker.on('error', (error) => (reason = `[prompt-encoder] its thread crashed: ${error.message}`));
    worker.on('exit', () => {
      this.#worker = undefined;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { reject } of waiting) reject(new Error(reason));
    });
    return worker;
  }
}

/** The encoder's side of the two threads. */
export async function servePrompts(load: (settings: EngineSettings) => Promise<Tokenizer>): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('[prompt-encoder] this runs in a worker thread only.');
  const tokenizer = await load(workerData as EngineSettings); // as the engine's thread wrote it
  port.on('message', ({ id, text }: ToEncoder) => {
    try {
      const ids = encodePrompt(tokenizer, text).slice();
      port.postMessage({ id, ids } satisfies FromEncoder, [ids.buffer]);
    } catch (error) {
      const message = (error instanceof Error && error.stack) || String(error);
      port.postMessage({ id, message } satisfies FromEncoder);
    }
  });
}
