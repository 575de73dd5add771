import type { Budget } from '../budget.ts';
import { DEAD, type Dfa, minimise } from './dfa.ts';

/** A deterministic automaton by its rule: states are texts. */
export interface Machine {
  readonly start: string;
  /** Bytes that lead anywhere, ascending. */
  readonly alphabet: readonly number[];
  /** The state after a byte; undefined where nothing follows. */
  readonly step: (state: string, byte: number) => string | undefined;
  readonly accept: (state: string) => boolean;
}

/** Finds all states of a machine. */
export function explore({ start, alphabet, step, accept }: Machine, budget: Budget): Dfa {
  const bounds = new Set([0]);
  for (const byte of alphabet) bounds.add(byte).add(byte + 1);
  const starts = Uint8Array.from([...bounds].filter((byte) => byte < 256)).sort();
  const ids = new Map([[start, 0]]);
  const next: number[] = [];
  const accepting: number[] = [];
  for (const state of ids.keys()) {
    budget.states(1);
    budget.work(starts.length);
    accepting.push(Number(accept(state)));
    for (const byte of starts) {
      const to = alphabet.includes(byte) ? step(state, byte) : undefined;
      if (to !== undefined && !ids.has(to)) ids.set(to, ids.size);
      next.push(to === undefined ? DEAD : ids.get(to)!);
    }
  }
  return minimise({ starts, next: Int32Array.from(next), accept: Uint8Array.from(accepting) }, budget);
}
