/**
 * Counts words in several threads: texts go to whichever thread is free, this one included, and the
 * counts are added up at the end.
 */
import { Worker } from 'node:worker_threads';
import type { CountReply, CountRequest } from '../count-worker.ts';
import { encodeUtf8Into } from '../bytes/utf8.ts';
import type { WordCounts } from './word-counter.ts';
import type { WordReader } from './word-reader.ts';

/**
 * Texts are sent in packets of about so many characters; long ones are cut where that changes no
 * word.
 */
const PACKET = 1 << 20;
/** Packets a thread may have waiting. */
const AHEAD = 2;

/** In a checkout the thread runs from source, through the workspace's loader. */
const fromSource = import.meta.url.endsWith('.ts');
const workerUrl = new URL(fromSource ? '../count-worker.ts' : './count-worker.js', import.meta.url);
const loader = fromSource
  ? ['--import', new URL('../../../../scripts/run-source.mjs', import.meta.url).href]
  : [];

interface Thread {
  readonly worker: Worker;
  waiting: number;
  /** Settles when the thread has sent its counts. */
  readonly words: Promise<WordCounts>;
}

export class CountingThreads {
  readonly #reader: WordReader;
  readonly #threads: Thread[];
  #failed: Error | undefined;
  #held: string[] = [];
  #heldLength = 0;

  /** `count` threads, this one included. `reader` gets everything in the end. */
  constructor(reader: WordReader, count: number) {
    this.#reader = reader;
    this.#threads = Array.from({ length: count - 1 }, () => this.#start());
  }

  /** Adds a text. Without other threads it is counted at once. */
  async add(text: string): Promise<void> {
    if (this.#threads.length === 0) return this.#reader.add(text);
    for (let at = 0; at < text.length;) {
      const end = at + PACKET < text.length ? this.#reader.cutAfter(text, at + PACKET) : text.length;
      this.#held.push(at === 0 && end === text.length ? text : text.slice(at, end));
      this.#heldLength += end - at;
      at = end;
      if (this.#heldLength >= PACKET) await this.#send();
    }
  }

  /** Adds the counts of all threads to the reader's and ends the threads. */
  async finish(): Promise<void> {
    try {
      if (this.#threads.length === 0) return;
      await this.#send();
      for (const { worker } of this.#threads) worker.postMessage('finish' satisfies CountRequest);
      for (const thread of this.#threads) this.#reader.words.merge(await thread.words);
    } finally {
      await this.stop();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #start(): Thread {
    const worker = new Worker(workerUrl, { workerData: this.#reader.options, execArgv: loader });
    let resolve: (words: WordCounts) => void;
    let reject: (error: Error) => void;
    const words = new Promise<WordCounts>((done, fail) => {
      resolve = done;
      reject = fail;
    });
    words.catch(() => undefined); // reported by `failed` before anyone waits for it
    const thread: Thread = { worker, waiting: 0, words };
    worker.on('message', (reply: CountReply) => {
      if ('words' in reply) return resolve(reply.words);
      thread.waiting--;
      this.#reader.skippedLines += reply.skippedLines;
    });
    worker.on('error', (error) => {
      this.#failed = error;
      reject(error);
    });
    return thread;
  }

  /**
   * Gives the held texts to the least busy thread, or counts them here when all have enough to do.
   */
  async #send(): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#heldLength === 0) return;
    const texts = this.#held;
    const room = this.#heldLength * 3 + texts.length + 1;
    this.#held = [];
    this.#heldLength = 0;
    const free = this.#threads.reduce((best, thread) => (thread.waiting < best.waiting ? thread : best));
    if (free.waiting >= AHEAD) {
      for (const text of texts) this.#reader.add(text);
      await new Promise((resolve) => setImmediate(resolve)); // lets replies in
      return;
    }
    const bytes = new Uint8Array(room);
    const ends = new Int32Array(texts.length);
    let at = 1;
    texts.forEach((text, i) => {
      ends[i] = at + encodeUtf8Into(text, bytes, at);
      at = ends[i] + 1;
    });
    const packet = bytes.buffer.slice(0, at);
    free.waiting++;
    free.worker.postMessage({ bytes: new Uint8Array(packet), ends } satisfies CountRequest, [
      packet,
      ends.buffer,
    ]);
  }
}
