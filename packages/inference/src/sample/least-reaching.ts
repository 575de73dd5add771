/**
 * The least key such that the masses of all keys up to it reach `target`, or the largest one: what
 * a sort would find, in a few passes.
 * Halves what is in question by a pivot, as quickselect does.               keys, masses: [n], masses ≥ 0
 */
export function leastReaching(keys: Float64Array, masses: Float64Array, target: number): number {
  let asked = new Uint32Array(keys.length);
  let count = 0;
  for (let i = 0; i < keys.length; i++) if (masses[i]! > 0) asked[count++] = i;
  asked = asked.subarray(0, count);
  let before = 0;
  for (;;) {
    const pivot = middle(keys, asked);
    let mass = 0;
    let below = 0;
    let equal = 0;
    for (const i of asked) {
      const key = keys[i]!;
      if (key > pivot) continue;
      mass += masses[i]!;
      if (key < pivot) below++;
      else equal++;
    }
    const reaches = before + mass >= target;
    if (reaches && below === 0) return pivot;
    if (!reaches && below + equal === asked.length) return pivot;
    const lower = reaches ? massBelow(keys, masses, asked, pivot) : 0;
    // Between the two: the equals of the pivot reach it.
    if (reaches && before + lower < target) return pivot;
    asked = asked.filter((i) => (reaches ? keys[i]! < pivot : keys[i]! > pivot));
    if (!reaches) before += mass;
  }
}

function massBelow(keys: Float64Array, masses: Float64Array, asked: Uint32Array, pivot: number): number {
  let mass = 0;
  for (const i of asked) if (keys[i]! < pivot) mass += masses[i]!;
  return mass;
}

/** The middle one of some keys that are spread over all. */
function middle(keys: Float64Array, asked: Uint32Array): number {
  const step = Math.max(1, Math.floor(asked.length / 9));
  const some: number[] = [];
  for (let at = step >> 1; at < asked.length && some.length < 9; at += step) some.push(keys[asked[at]!]!);
  return some.sort((a, b) => a - b)[some.length >> 1]!;
}
