import { Worker } from 'node:worker_threads';
import type { Grammar } from '@cria/grammar';
import { RequestError } from '@cria/inference';
import { GRAMMAR_DEADLINE } from '../http/limits.ts';
import type { ThreadFile } from '../protocol.ts';
import type { FromGrammarThread, ToGrammarThread } from './grammar-thread.ts';
import { type GrammarSpec, keyOfSpec } from './spec.ts';

/** A grammar, and the text that it is known by. */
export interface KeyedGrammar {
  readonly key: string;
  readonly grammar: Grammar;
}

interface Waiting {
  readonly spec: GrammarSpec;
  readonly resolve: (grammar: Grammar) => void;
  readonly reject: (error: unknown) => void;
}

/** Grammars that are kept, the last used; and those that may wait to be compiled. */
const MOST_KEPT = 64;
const MOST_WAITING = 128;

/**
 * Compiles grammars on a thread of their own, so that neither the engine nor other requests wait;
 * one that takes too long is given up and its thread with it. The thread starts with the first of
 * them.
 */
export class GrammarCompiler {
  readonly #file: ThreadFile;
  readonly #deadline: number;
  readonly #kept = new Map<string, Promise<Grammar>>();
  readonly #queue: Waiting[] = [];
  #running: Waiting | undefined;
  #worker: Worker | undefined;
  #ready = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: ThreadFile, deadline = GRAMMAR_DEADLINE) {
    this.#file = file;
    this.#deadline = deadline;
  }

  /** @throws RequestError for what cannot be honoured, or takes too long */
  async compile(spec: GrammarSpec): Promise<KeyedGrammar> {
    const key = keyOfSpec(spec);
    let grammar = this.#kept.get(key);
    this.#kept.delete(key);
    grammar ??= this.#enqueue(spec);
    this.#kept.set(key, grammar); // the last used is the last
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? key);
    try {
      return { key, grammar: await grammar };
    } catch (error) {
      if (this.#kept.get(key) === grammar) this.#kept.delete(key);
      throw error;
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#worker?.terminate();
  }

  #enqueue(spec: GrammarSpec): Promise<Grammar> {
    if (this.#queue.length >= MOST_WAITING) {
      const what = `${this.#queue.length} grammars wait to be compiled, and no more may.`;
      return Promise.reject(new RequestError('queue_full', 'engine', what, { hint: 'try again later' }));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ spec, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    const worker = (this.#worker ??= this.#start());
    if (!this.#ready || this.#running) return;
    this.#running = this.#queue.shift();
    if (!this.#running) return void worker.unref(); // it has nothing to say unasked
    worker.ref();
    this.#timer = setTimeout(() => this.#giveUp(), this.#deadline);
    worker.postMessage({ spec: this.#running.spec } satisfies ToGrammarThread);
  }

  #giveUp(): void {
    void this.#worker?.terminate();
    this.#end((spec) => refusal(spec, `it took longer than ${this.#deadline} ms to compile.`));
  }

  #start(): Worker {
    const { url, execArgv } = this.#file;
    const worker = new Worker(url, execArgv ? { execArgv: [...execArgv] } : {});
    worker.on('message', (message: FromGrammarThread) => this.#receive(message));
    let reason = 'its thread ended.';
    worker.on('error', (error) => (reason = `its thread crashed: ${error.message}`));
    worker.on('exit', () => {
      if (worker === this.#worker) this.#end(() => new Error(`[grammar-compiler] ${reason}`));
    });
    return worker;
  }

  #receive(message: FromGrammarThread): void {
    if (message.kind === 'ready') this.#ready = true;
    else {
      clearTimeout(this.#timer);
      const running = this.#running;
      this.#running = undefined;
      if (message.kind === 'grammar') running?.resolve(message.grammar);
      else if (message.kind === 'failed') running?.reject(new Error(message.message));
      else running?.reject(refusal(running.spec, message.message.replace(/^\[\w+\] /, '')));
    }
    this.#next();
  }

  /** The thread is gone, and with it the grammar that it compiled; those that wait go to the next one. */
  #end(errorOf: (spec: GrammarSpec) => Error): void {
    clearTimeout(this.#timer);
    const wasReady = this.#ready;
    const lost = this.#running ? [this.#running] : wasReady ? [] : this.#queue.splice(0);
    [this.#worker, this.#ready, this.#running] = [undefined, false, undefined];
    for (const { spec, reject } of lost) reject(errorOf(spec));
    if (this.#queue.length > 0) this.#next();
  }
}

function refusal({ field }: GrammarSpec, what: string): RequestError {
  return new RequestError('invalid_request', 'engine', `${field}: ${what}`, { param: field });
}
