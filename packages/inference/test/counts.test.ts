import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Counts } from '../src/sample/counts.ts';

/** How often each id stands in a part of a text. */
function recount(ids: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

it('counts, kept from token to token, are those of the text counted anew', () => {
  const text = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 60 });
  const cuts = fc.array(fc.nat(60), { maxLength: 8 });
  const window = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined });
  fc.assert(
    fc.property(text, cuts, window, fc.boolean(), fc.nat(20), (ids, lengths, lastN, prompt, promptLength) => {
      const counts = new Counts({ lastN, prompt });
      // The text grows, several ids at a time, and now and then becomes shorter.
      for (const length of lengths.map((each) => Math.min(each, ids.length))) {
        counts.follow(ids.slice(0, length), promptLength);
        const first = Math.max(0, length - (lastN ?? Infinity));
        const seen = recount(ids.slice(first, length));
        const counted = prompt
          ? seen
          : recount(ids.slice(Math.max(first, promptLength), Math.max(length, first)));
        expect(new Set(counts.seen)).toEqual(new Set(seen.keys()));
        expect(counts.seen.length).toBe(seen.size);
        counts.seen.forEach((id, slot) => expect(counts.times[slot]).toBe(counted.get(id) ?? 0));
      }
    }),
    { numRuns: 500 },
  );
});

it('has room for as many ids as a text has', () => {
  const counts = new Counts({ lastN: undefined, prompt: true });
  const ids = Array.from({ length: 1000 }, (_, i) => i % 300);
  counts.follow(ids, 0);
  expect([...counts.seen].sort((a, b) => a - b)).toEqual([...Array(300).keys()]);
  expect(counts.times.reduce((a, b) => a + b)).toBe(1000);
});
