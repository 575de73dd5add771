import { fail } from '@cria/tensor';
import type { CommandList } from './command-list.ts';

/**
 * How a list ended, as the native side says it in one number (`asNumber` in cpp/pool.cc): −1 where
 * all of it was run; the position of a command that was not understood; −2 − (position · 2¹⁶ +
 * status) where the call at a position failed.
 */
export const ALL_RAN = -1;
const STATUSES = 2 ** 16;

interface FailedCall {
  readonly position: number;
  /** What the call answered. */
  readonly status: number;
}

/** The call at which a list stopped, if it was one. */
export function failedCall(outcome: number): FailedCall | undefined {
  if (outcome >= ALL_RAN) return undefined;
  const packed = -2 - outcome;
  return { position: Math.floor(packed / STATUSES), status: packed % STATUSES };
}

/** The outcome of a list of which a part was run that begins at `start`. */
export function movedOutcome(outcome: number, start: number): number {
  if (outcome === ALL_RAN) return outcome;
  return outcome > ALL_RAN ? outcome + start : outcome - start * STATUSES;
}

/**
 * Empties a list that was run; throws where it stopped. What the commands behind a failed call
 * would have freed is free then, too.
 */
export function settle(list: CommandList, outcome: number): void {
  const call = failedCall(outcome);
  const name = call && list.nameOf(call.position);
  if (call) list.freeFrom(call.position);
  list.reset();
  if (call)
    fail(
      'cpu.flush',
      `the call "${name}" failed with status ${call.status}.`,
      'what was encoded behind it was not run',
    );
  if (outcome !== ALL_RAN)
    fail(
      'cpu.flush',
      `command at ${outcome} was not understood.`,
      'the native file is of another version: build it anew',
    );
}
