import type { Budget } from '../budget.ts';
import { flags } from '../grammar.ts';
import type { Parts } from './assemble.ts';

/**
 * Frames that each state must put on the stack before its rule can end, the least;
 * Infinity where it never can. The least solution of: 0 at ends, the need of what
 * follows an arrow, and 1 more than the callee's at a call.   [S]
 */
export function needOf({ states, arrows, hops, calls, flags: marks }: Parts, budget: Budget): Float64Array {
  const need = new Float64Array(states).fill(Infinity);
  const before: number[][] = Array.from({ length: states }, () => []);
  const ways: (() => number)[][] = Array.from({ length: states }, () => []);
  const way = (from: number, to: number) => {
    before[to]!.push(from);
    ways[from]!.push(() => need[to]!);
  };
  for (let i = 0; i < arrows.length; i += 4) way(arrows[i]!, arrows[i + 3]!);
  for (let i = 0; i < hops.length; i += 2) {
    if ((marks[hops[i]!]! & flags.step) === 0) way(hops[i]!, hops[i + 1]!);
  }
  for (const { from, to, min, max, after } of calls) {
    const free = min === 0 && max > 0; // a counter that need not turn
    before[after]!.push(from);
    before[to]!.push(from);
    const frame = (marks[after]! & flags.tail) === 0 ? 1 : 0; // nothing is kept of a caller that has nothing left to do
    ways[from]!.push(() => Math.max(frame + (free ? 0 : need[to]!), need[after]!));
  }
  const waiting: number[] = [];
  const lower = (state: number, value: number) => {
    if (value >= need[state]!) return;
    need[state] = value;
    waiting.push(...before[state]!);
  };
  // The last turn's end is an end; whether more turns are due was seen where the first began.
  for (let s = 0; s < states; s++) if ((marks[s]! & (flags.final | flags.step)) !== 0) lower(s, 0);
  for (let s = 0; s < states; s++) if (ways[s]!.length > 0) waiting.push(s);
  for (let s = waiting.pop(); s !== undefined; s = waiting.pop()) {
    budget.work(2 * ways[s]!.length);
    lower(s, Math.min(...ways[s]!.map((each) => each())));
  }
  return need;
}
