import { Worker } from 'node:worker_threads';
import { ApiError } from '../http/errors.ts';
import { TEMPLATE_DEADLINE } from '../http/limits.ts';
import type { EngineSettings, ThreadFile } from '../protocol.ts';
import type { DeskAnswers, DeskJob, FromDesk } from './desk-protocol.ts';

interface Waiting {
  readonly job: DeskJob;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Jobs that may wait: each holds a body of a request. */
const MOST_WAITING = 256;

/**
 * The tokenizer and the chat template of the model, on a thread of their own: long texts hold
 * nobody up there, and a template, which is a program out of a model's file, can be ended when it
 * takes too long. The thread starts with the first job, and a new one takes its place when it ends.
 */
export class TextDesk {
  readonly #file: ThreadFile;
  readonly #settings: EngineSettings;
  readonly #deadline: number;
  readonly #queue: Waiting[] = [];
  #running: Waiting | undefined;
  #worker: Worker | undefined;
  #ready = false;
  #timer: NodeJS.Timeout | undefined;
  #about: Promise<DeskAnswers['about']> | undefined;

  constructor(file: ThreadFile, settings: EngineSettings, deadline = TEMPLATE_DEADLINE) {
    this.#file = file;
    this.#settings = settings;
    this.#deadline = deadline;
  }

  /** What the model's tokenizer and template are; asked once. */
  about(): Promise<DeskAnswers['about']> {
    this.#about ??= this.do({ kind: 'about' });
    this.#about.catch(() => (this.#about = undefined));
    return this.#about;
  }

  /** @throws ApiError for a fault of the request, or one that takes too long */
  do<Kind extends DeskJob['kind']>(job: DeskJob & { readonly kind: Kind }): Promise<DeskAnswers[Kind]> {
    if (this.#queue.length >= MOST_WAITING) {
      const message = `${this.#queue.length} texts wait to be encoded, and no more may. hint: try again later`;
      return Promise.reject(new ApiError(429, message, { code: 'queue_full', retryAfterMs: 1000 }));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#next();
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }

  /** Starts the next job where none runs; the clock runs from here, not while a thread starts. */
  #next(): void {
    const worker = (this.#worker ??= this.#start());
    if (!this.#ready || this.#running) return;
    const next = this.#queue.shift();
    if (!next) return void worker.unref(); // it has nothing to say unasked
    this.#running = next;
    worker.ref();
    this.#timer = setTimeout(() => this.#giveUp(), this.#deadline);
    try {
      worker.postMessage(next.job);
    } catch (error) {
      this.#settle(({ reject }) => reject(error));
    }
  }

  /** A template in a loop hears no message: its thread is ended. */
  #giveUp(): void {
    const what = this.#running?.job.kind === 'chat' ? 'the chat template' : 'the text';
    const message = `${what} took longer than ${this.#deadline} ms. hint: send less at a time`;
    void this.#worker?.terminate();
    this.#end(new ApiError(400, message, { code: 'deadline_exceeded' }));
  }

  #start(): Worker {
    const { url, execArgv } = this.#file;
    const worker = new Worker(url, {
      workerData: this.#settings,
      ...(execArgv && { execArgv: [...execArgv] }),
    });
    worker.on('message', (message: FromDesk) => this.#receive(message));
    worker.on('error', (error) => this.#ended(worker, `its thread crashed: ${error.message}`));
    worker.on('exit', () => this.#ended(worker, 'its thread ended.'));
    return worker;
  }

  #receive(message: FromDesk): void {
    if (message.kind === 'ready') {
      this.#ready = true;
      return this.#next();
    }
    if (message.kind === 'failed') {
      const error = new Error(`[desk] ${message.message}`);
      for (const { reject } of this.#queue.splice(0)) reject(error);
      return;
    }
    // of the job's kind
    if (message.kind === 'answer') return this.#settle(({ resolve }) => resolve(message.answer as never));
    const { code, message: what } = message;
    const status = code === 'internal' ? 500 : 400;
    const error = code === undefined ? new Error(what) : new ApiError(status, what, { code });
    this.#settle(({ reject }) => reject(error));
  }

  #settle(tell: (job: Waiting) => void): void {
    clearTimeout(this.#timer);
    const running = this.#running;
    this.#running = undefined;
    if (running) tell(running);
    this.#next();
  }

  #ended(worker: Worker, reason: string): void {
    if (worker === this.#worker) this.#end(new Error(`[desk] ${reason}`));
  }

  /** The thread is gone, and with it the job that ran; those that wait go to the next one. */
  #end(error: Error): void {
    clearTimeout(this.#timer);
    const running = this.#running;
    [this.#worker, this.#ready, this.#running] = [undefined, false, undefined];
    running?.reject(error);
    if (this.#queue.length > 0) this.#next();
  }
}
