import { checkOptions, fail } from '@cria/tensor';
import { prepareState } from './prepare.ts';
import type { SaveTrainingStateOptions, TrainingState } from './types.ts';
import { type KeepPolicy, op, savePrepared, type SaveTrainingStateResult } from './write.ts';

/**
 * Saves a training state as a folder `step-NNNNNNNN` below `root`. It is written under a temporary
 * name, synced, and renamed when complete; only then are older states beyond `keepLast` removed,
 * and the leftovers of interrupted saves. On any error the earlier states are as they were. One
 * process at a time may save into a root.
 */
export async function saveTrainingState(
  root: string,
  state: TrainingState,
  options: SaveTrainingStateOptions = {},
): Promise<SaveTrainingStateResult> {
  const policy = checkPolicy(options);
  return savePrepared(root, prepareState(state), policy);
}

export function checkPolicy(options: SaveTrainingStateOptions): KeepPolicy {
  checkOptions(op, options, ['keepLast', 'keepEvery']);
  const { keepLast = 2, keepEvery } = options;
  if (!Number.isInteger(keepLast) || keepLast < 1)
    fail(op, `keepLast is ${keepLast}.`, 'give a whole number from 1');
  if (keepEvery !== undefined && !(Number.isInteger(keepEvery) && keepEvery >= 1))
    fail(op, `keepEvery is ${keepEvery}.`, 'give a whole number of steps from 1');
  return { keepLast, keepEvery };
}
