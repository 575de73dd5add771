import type { TensorToWrite } from '../safetensors/writer.ts';
import {
  checkPolicy,
  type KeepPolicy,
  prepareState,
  type PreparedState,
  savePrepared,
  type SaveTrainingStateResult,
} from './save.ts';
import type { SaveTrainingStateOptions, TrainingState } from './types.ts';

/**
 * Saves training states while training goes on: `save` copies the state out of the device and resolves; the files are written in the
 * background. One state is written at a time, and no more than one copy is held: a `save` that comes too early waits.
 */
export class BackgroundSaver {
  readonly root: string;
  readonly #policy: KeepPolicy;
  #writing: Promise<SaveTrainingStateResult | undefined> = Promise.resolve(undefined);
  #failure: unknown;

  constructor(root: string, options: SaveTrainingStateOptions = {}) {
    this.root = root;
    this.#policy = checkPolicy(options);
  }

  /**
   * Resolves once the state is copied, so that the device may change it. Throws what an earlier write in the background ended with, if
   * nobody has heard of it yet; the states on disk before it are as they were.
   */
  async save(state: TrainingState): Promise<void> {
    await this.finish();
    const snapshot = await hold(prepareState(state));
    this.#writing = savePrepared(this.root, snapshot, this.#policy).catch((error: unknown) => {
      this.#failure = error;
      return undefined;
    });
  }

  /** Waits until everything is on disk: the result of the last save, if there was one since. Throws where it failed. */
  async finish(): Promise<SaveTrainingStateResult | undefined> {
    const result = await this.#writing;
    this.#writing = Promise.resolve(undefined);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.finish();
  }
}

/** The same state with all bytes in memory. */
async function hold(state: PreparedState): Promise<PreparedState> {
  const tensors = new Map<string, TensorToWrite[]>();
  for (const [file, list] of state.tensors) {
    const held: TensorToWrite[] = [];
    for (const tensor of list) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of tensor.chunks()) chunks.push(chunk);
      held.push({ ...tensor, chunks: () => chunks });
    }
    tensors.set(file, held);
  }
  return { ...state, tensors };
}
