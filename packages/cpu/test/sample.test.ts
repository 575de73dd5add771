import { philox, reference, type SampleRow, uniforms } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { cpu, cpuAvailability } from '../src/index.ts';

const { isas } = cpuAvailability();

/** Whole numbers and shares that a seed decides. */
class Dice {
  #words = new Uint32Array(4);
  #at = 0;
  readonly #seed: number;
  constructor(seed: number) {
    this.#seed = seed;
  }
  below(n: number): number {
    philox(this.#at++, 0, 0, 0, this.#seed, 0, this.#words);
    return this.#words[0]! % n;
  }
  of<T>(...choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
  share(): number {
    return this.below(2 ** 20) / 2 ** 20;
  }
}

/** Flat, peaked, of few values, at the ends of a float, or mostly ruled out. */
function logits(dice: Dice, V: number): Float32Array {
  const row = new Float32Array(V);
  uniforms({ seed: dice.below(1000), stream: 0, start: 0 }, row);
  const kind = dice.below(6);
  const ends = [3.4e38, -3.4e38, 1e-45, -1e-45, 0, -0, 1, -1, -Infinity];
  return row.map((u, i) => {
    if (kind === 0) return u;
    if (kind === 1) return 30 * Math.log(u + 1e-9);
    if (kind === 2) return Math.floor(u * 4);
    if (kind === 3) return ends[Math.floor(u * ends.length)]!;
    if (kind === 4) return u < 0.9 && i > 0 ? -Infinity : 5 * u;
    return 12 * u;
  });
}

/** Every setting at its ends as often as in between. */
function settings(dice: Dice, seen: number): SampleRow {
  const firstSeen = dice.below(seen + 1);
  return {
    temperature: dice.of(1, 1, 0, 5e-324, 9.99e-6, 1e-5, 0.01, 0.7, 5, 1e308, Number.MAX_VALUE),
    topK: dice.of(0, 0, 1, 2, 40, 1000, 2 ** 53 - 1),
    topP: dice.of(1, 1, 0, 5e-324, 1e-308, 0.5, 0.95, 0.999999, 1 - 2 ** -53),
    minP: dice.of(0, 0, 5e-324, 1e-308, 0.05, 0.5, 1),
    temperatureLast: dice.below(2) === 1,
    repetitionPenalty: dice.of(1, 1, 0.01, 1.1, 100, 1 + 2 ** -52),
    presencePenalty: dice.of(0, 0, -2, 0.3, 2, 5e-324),
    frequencyPenalty: dice.of(0, 0, -2, 0.1, 2),
    firstSeen,
    endSeen: firstSeen + dice.below(seen - firstSeen + 1),
    mask: dice.below(4) - 1,
    u: dice.of(0, 1 - 2 ** -53, dice.share(), dice.share()),
  };
}

async function choose(device: ReturnType<typeof reference> | ReturnType<typeof cpu>, seed: number) {
  const dice = new Dice(seed);
  const [R, V] = [16, dice.of(1, 2, 3, 15, 16, 17, 100, 1000, 5000)];
  const words = Math.ceil(V / 32);
  const values = new Float32Array(R * V);
  for (let r = 0; r < R; r++) values.set(logits(dice, V), r * V);
  const seen = Int32Array.from({ length: Math.min(V, 60) }, (_, i) => i);
  const times = seen.map(() => dice.below(3));
  const masks = Int32Array.from({ length: 3 * words }, () => dice.below(2 ** 32) | 0);
  const rows = Array.from({ length: R }, () => settings(dice, seen.length));
  const ids = device.empty([R], 'i32');
  const all = device.tensor(values, [R, V], 'f32');
  device.kernels.sample(ids, all, rows, {
    seen: device.tensor(seen, [seen.length], 'i32'),
    times: device.tensor(times, [times.length], 'i32'),
    masks: device.tensor(masks, [3, words], 'i32'),
  });
  return { chosen: [...((await ids.read()) as Int32Array)], rows, V };
}

describe.each(isas)('sample on %s', (isa) => {
  test('chooses what the plain version does, whatever the numbers are', async () => {
    for (let seed = 0; seed < 120; seed++) {
      using plain = reference();
      using fast = cpu({ isa, threads: 2 });
      const [want, got] = [await choose(plain, seed), await choose(fast, seed)];
      want.chosen.forEach((id, r) =>
        expect(got.chosen[r], `seed ${seed}, V ${want.V}, row ${r}: ${JSON.stringify(want.rows[r])}`).toBe(
          id,
        ),
      );
    }
  });
});
