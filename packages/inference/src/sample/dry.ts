import { bounded } from '@cria/tensor';
import type { Sampling } from './options.ts';
import type { Stage } from './stage.ts';

/** Powers beyond this are of no use: a float would not hold them. */
const MOST_POWER = Math.log(3.4028234663852886e38);

/**
 * DRY, "don't repeat yourself": an id that would continue a repetition of n ids loses multiplier ·
 * base^(n − allowed), for the longest n there is, where n is at least `allowed`. Repetitions do not
 * reach across sequence breakers.
 */
export function dry(sampling: Sampling): Stage | undefined {
  const { dryMultiplier: multiplier, dryBase: base, dryAllowedLength: allowed, dryLastN } = sampling;
  if (multiplier === 0 || dryLastN === 0) return undefined;
  const heads = new Map<number, (readonly number[])[]>();
  for (const [head = -1, ...tail] of sampling.drySequenceBreakers)
    heads.set(head, [...(heads.get(head) ?? []), tail]);
  const mostExponent = base > 1.000001 ? Math.floor(MOST_POWER / Math.log(base)) : Infinity;
  return (scores, { history: { ids } }) => {
    const count = dryLastN === -1 ? ids.length : Math.min(dryLastN, ids.length);
    if (count <= allowed) return;
    const limit = lengthSinceBreaker(ids, count, heads);
    if (limit < allowed) return;
    for (const [id, length] of continuations(ids, count, limit, allowed)) {
      if (id >= scores.length || heads.get(id)?.some((tail) => tail.length === 0)) continue;
      const penalty = multiplier * base ** Math.min(length - allowed, mostExponent);
      scores[id] = bounded(scores[id]!, scores[id]! - penalty);
    }
  };
}

/**
 * Ids at the end of the last `count` that come after the last breaker; all of them where there is
 * none.
 */
function lengthSinceBreaker(
  ids: ArrayLike<number>,
  count: number,
  heads: ReadonlyMap<number, readonly (readonly number[])[]>,
): number {
  for (let back = 0; back < count; back++) {
    const head = ids.length - 1 - back;
    const fitting = (heads.get(ids[head]!) ?? []).filter(
      (tail) => tail.length <= back && tail.every((id, i) => id === ids[head + 1 + i]),
    );
    if (fitting.length > 0) return back - Math.max(...fitting.map((tail) => tail.length));
  }
  return count;
}

/**
 * Id → most ids, at most `limit`, of a repetition that it would continue; only those of at least
 * `least`.
 */
function continuations(
  ids: ArrayLike<number>,
  count: number,
  limit: number,
  least: number,
): Map<number, number> {
  const lengths = repeatsOfEnd(ids, count);
  const found = new Map<number, number>();
  for (let back = 1; back < count; back++) {
    const length = Math.min(lengths[back]!, limit);
    const id = ids[ids.length - back]!;
    if (length >= least && length > (found.get(id) ?? -1)) found.set(id, length);
  }
  return found;
}

/**
 * How many ids before a place `back` from the end, that place's own the last of them, are those at
 * the end: the Z function of the last `count` ids, read backwards. Each id is compared once or
 * twice.
 */
function repeatsOfEnd(ids: ArrayLike<number>, count: number): Int32Array {
  const last = ids.length - 1;
  const lengths = new Int32Array(count);
  // The match that reached furthest: it began at `start` and ended before `end`.
  let [start, end] = [0, 0];
  for (let back = 1; back < count; back++) {
    let length = back < end ? Math.min(end - back, lengths[back - start]!) : 0;
    while (back + length < count && ids[last - length] === ids[last - back - length]) length++;
    lengths[back] = length;
    if (back + length > end) [start, end] = [back, back + length];
  }
  return lengths;
}
