import { Worker } from 'node:worker_threads';
import { CriaError } from '@cria/tensor';
import { heldMemory, hold, type HeldState } from './held-state.ts';
import { prepareState } from './prepare.ts';
import { checkPolicy } from './save.ts';
import type { SaveReply, SaveRequest } from './save-worker.ts';
import type { SaveTrainingStateOptions, TrainingState } from './types.ts';
import type { KeepPolicy, SaveTrainingStateResult } from './write.ts';

/** In a checkout the thread and the packages that it imports run from source, through the workspace's loader. */
const fromSource = import.meta.url.endsWith('.ts');
const workerUrl = new URL(
  fromSource ? './save-worker.ts' : './training-state/save-worker.js',
  import.meta.url,
);
const loader = fromSource
  ? [
      '--conditions=@cria/source',
      '--import',
      new URL('../../../../scripts/run-source.mjs', import.meta.url).href,
    ]
  : [];

type Outcome = { readonly result: SaveTrainingStateResult } | { readonly failure: unknown };

/**
 * Saves training states while training goes on: `save` copies the state out of the device and
 * resolves; a thread of its own sums and writes the files. One state is written at a time, and no
 * more than one copy is held, until the saver is disposed of: a `save` that comes too early waits.
 * The process does not end before a write has.
 */
export class BackgroundSaver {
  readonly root: string;
  readonly #policy: KeepPolicy;
  #worker: Worker | undefined;
  /** Of the copy before, which the next one takes: fresh memory would cost three times the time of the copy. */
  #memory: readonly ArrayBuffer[] = [];
  #settle: ((outcome: Outcome) => void) | undefined;
  #writing: Promise<Outcome> | undefined;
  /** Of the last save, where it is over and nobody has heard of it. */
  #outcome: Outcome | undefined;

  constructor(root: string, options: SaveTrainingStateOptions = {}) {
    this.root = root;
    this.#policy = checkPolicy(options);
  }

  /**
   * Resolves once the state is copied, so that the device may change it. Throws what an earlier
   * write in the background ended with, if nobody has heard of it yet; the states on disk before it
   * are as they were.
   */
  async save(state: TrainingState): Promise<void> {
    await this.finish();
    const held = await hold(prepareState(state), this.#memory);
    this.#memory = [];
    this.#writing = this.#write(held).then((outcome) => {
      this.#writing = undefined;
      return (this.#outcome = outcome);
    });
  }

  /**
   * What the last save came to, where that is known and was not told before; does not wait. Throws
   * where it failed. News come in when the event loop turns.
   */
  poll(): SaveTrainingStateResult | undefined {
    const outcome = this.#outcome;
    this.#outcome = undefined;
    if (outcome && 'failure' in outcome) throw outcome.failure;
    return outcome?.result;
  }

  /**
   * Waits until everything is on disk: the result of the last save, if it was not told before.
   * Throws where it failed.
   */
  async finish(): Promise<SaveTrainingStateResult | undefined> {
    await this.#writing;
    return this.poll();
  }

  /** Waits for what is being written, and ends the thread. Throws what nobody has heard of. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.finish();
    } finally {
      this.#memory = [];
      await this.#worker?.terminate();
    }
  }

  #write(state: HeldState): Promise<Outcome> {
    const worker = (this.#worker ??= this.#start());
    const request: SaveRequest = { root: this.root, state, policy: this.#policy };
    worker.ref();
    return new Promise((resolve) => {
      this.#settle = resolve;
      worker.postMessage(request, heldMemory(state));
    });
  }

  #start(): Worker {
    const worker = new Worker(workerUrl, { execArgv: loader });
    const end = (outcome: Outcome) => {
      worker.unref(); // it waits for the next state, but keeps no process
      this.#settle?.(outcome);
    };
    const broken = (what: string, cause?: unknown) => {
      this.#worker = undefined;
      end({ failure: new CriaError('BackgroundSaver', `its thread ${what}`, undefined, { cause }) });
    };
    worker.on('message', (reply: SaveReply) => {
      this.#memory = reply.memory;
      end('result' in reply ? reply : { failure: errorOf(reply.failed) });
    });
    worker.on('error', (error) => broken(`broke: ${error.message}`, error));
    worker.on('exit', (code) => broken(`ended with code ${code}.`));
    return worker;
  }
}

function errorOf({ what, op, hint }: Extract<SaveReply, { failed: unknown }>['failed']): Error {
  return op === undefined ? new Error(what) : new CriaError(op, what, hint);
}
