import { parentPort } from 'node:worker_threads';
import { CriaError } from '@cria/tensor';
import { fromHeld, heldMemory, type HeldState } from './held-state.ts';
import { type KeepPolicy, savePrepared, type SaveTrainingStateResult } from './write.ts';

// The thread of a BackgroundSaver: writes one state after the other.

export interface SaveRequest {
  readonly root: string;
  readonly state: HeldState;
  readonly policy: KeepPolicy;
}

export type SaveReply = {
  /** That of the state, to be used for the next. */
  readonly memory: readonly ArrayBuffer[];
} & SaveOutcome;

type SaveOutcome =
  | { readonly result: SaveTrainingStateResult }
  /** `op` and `what` of an error of ours, `what` alone of any other. */
  | { readonly failed: { readonly what: string; readonly op?: string; readonly hint?: string } };

const port = parentPort;
if (!port) throw new Error('[save-worker] this runs in a worker thread only.');
port.on('message', ({ root, state, policy }: SaveRequest) => {
  const memory = heldMemory(state);
  savePrepared(root, fromHeld(state), policy)
    .then((result): SaveOutcome => ({ result }), failureOf)
    .then((outcome) => port.postMessage({ ...outcome, memory } satisfies SaveReply, memory));
});

function failureOf(error: unknown): SaveOutcome {
  if (!(error instanceof CriaError))
    return { failed: { what: (error instanceof Error && error.stack) || String(error) } };
  const { op, hint, message } = error;
  const end = hint === undefined ? message.length : message.length - ` hint: ${hint}`.length;
  return {
    failed: { op, what: message.slice(`[${op}] `.length, end), ...(hint === undefined ? {} : { hint }) },
  };
}
