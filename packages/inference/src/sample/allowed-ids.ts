import type { Sampling } from './options.ts';

/** One bit an id, bit b of word w for id 32·w + b: what `mask` of a constraint fills in. */
export type IdBits = Uint32Array;

/** Bits of `allowedIds` without `bannedIds`; undefined where all may come. */
export function allowedBits({ allowedIds, bannedIds }: Sampling, vocabSize: number): IdBits | undefined {
  if (!allowedIds && bannedIds.length === 0) return undefined;
  const bits = new Uint32Array(Math.ceil(vocabSize / 32)).fill(allowedIds ? 0 : 0xffffffff);
  for (const id of allowedIds ?? []) bits[id >>> 5]! |= 1 << (id & 31);
  clear(bits, bannedIds);
  return bits;
}

/** What all of them allow, without some ids; undefined where nothing is ruled out. */
export function joined(
  masks: readonly (IdBits | undefined)[],
  without: Iterable<number>,
  vocabSize: number,
): IdBits | undefined {
  const given = masks.filter((each) => each !== undefined);
  const ids = [...without];
  if (given.length === 0 && ids.length === 0) return undefined;
  if (given.length === 1 && ids.length === 0) return given[0];
  const bits = new Uint32Array(Math.ceil(vocabSize / 32)).fill(0xffffffff);
  for (const each of given) for (let w = 0; w < bits.length; w++) bits[w]! &= each[w] ?? 0;
  clear(bits, ids);
  return bits;
}

function clear(bits: IdBits, ids: Iterable<number>): void {
  for (const id of ids) if (id >>> 5 < bits.length) bits[id >>> 5]! &= ~(1 << (id & 31));
}
