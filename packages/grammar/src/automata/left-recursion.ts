import type { Budget } from '../budget.ts';
import { fail } from '../errors.ts';
import { flags } from '../grammar.ts';
import type { Parts } from './assemble.ts';

/** What every state can do before its first byte. */
class Silent {
  /** States a hop or a finished call away. */
  readonly ways: number[][];
  /** Callees. */
  readonly calls: number[][];

  constructor(parts: Parts, entries: readonly number[], budget: Budget) {
    const { states, hops, calls, flags: marks } = parts;
    this.ways = Array.from({ length: states }, () => []);
    this.calls = Array.from({ length: states }, () => []);
    for (let i = 0; i < hops.length; i += 2) this.ways[hops[i]!]!.push(hops[i + 1]!);
    for (const { from, to } of calls) this.calls[from]!.push(to);
    const done = new Uint8Array(states); // entries and heads that can end without a byte
    for (let changed = true; changed;) {
      changed = false;
      for (const { from, to, min, max, after } of calls) {
        const canSkip = max > 0 ? min === 0 : done[to] === 1;
        if (canSkip && !this.ways[from]!.includes(after)) this.ways[from]!.push(after);
      }
      for (const entry of entries) {
        if (done[entry] === 1) continue;
        const reached = this.reach(entry);
        budget.work(reached.length);
        if (!reached.some((state) => (marks[state]! & flags.final) !== 0)) continue;
        done[entry] = 1;
        changed = true;
      }
    }
  }

  reach(from: number): number[] {
    const seen = new Set([from]);
    for (const state of seen) for (const to of this.ways[state]!) seen.add(to);
    return [...seen];
  }
}

/** A rule that calls itself before its first byte would never come to one. */
export function refuseLeftRecursion(
  parts: Parts,
  entries: readonly number[],
  { nameOf, op }: { nameOf: (rule: number) => string; op: string },
  budget: Budget,
): void {
  const silent = new Silent(parts, entries, budget);
  const ruleOf = new Map(entries.map((entry, rule) => [entry, rule]));
  const state = new Map<number, 'open' | 'done'>();
  // A stack of its own: rules may call each other in a chain of thousands.
  const path: { entry: number; callees: number[] }[] = [];
  const open = (entry: number) => {
    const reached = silent.reach(entry);
    budget.work(reached.length);
    state.set(entry, 'open');
    path.push({ entry, callees: reached.flatMap((each) => silent.calls[each]!) });
  };
  for (const root of new Set([...entries, ...parts.calls.map(({ to }) => to)])) {
    if (!state.has(root)) open(root);
    while (path.length > 0) {
      const { entry, callees } = path.at(-1)!;
      const callee = callees.pop();
      if (callee === undefined) {
        state.set(entry, 'done');
        path.pop();
      } else if (state.get(callee) === 'open') {
        const names = path.map((each) => ruleOf.get(each.entry)).filter((each) => each !== undefined);
        fail(
          op,
          `rule ${nameOf(ruleOf.get(callee) ?? names.at(-1) ?? 0)} begins with itself.`,
          'write the repetition on the right, or with *',
        );
      } else if (!state.has(callee)) open(callee);
    }
  }
}
