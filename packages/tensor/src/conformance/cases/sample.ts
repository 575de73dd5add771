import type { SampleOptions, SampleRow } from '../../kernels.ts';
import { uniform } from '../../random.ts';
import type { Tensor } from '../../tensor.ts';
import type { Bench } from '../bench.ts';
import type { Case } from '../case.ts';

/** Draws from all ids as the model gives them. */
export const PLAIN_ROW: SampleRow = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  temperatureLast: false,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  firstSeen: 0,
  endSeen: 0,
  mask: -1,
  u: 0,
};

/** One setting at a time, then together; each is a case over all sizes. */
const SETTINGS: readonly (readonly [name: string, Partial<SampleRow>])[] = [
  ['the best', { temperature: 0 }],
  ['temperature', { temperature: 0.7 }],
  ['top-k', { topK: 3 }],
  ['top-k of many', { topK: 700, temperature: 3 }],
  ['top-p', { topP: 0.9 }],
  ['top-p of nearly all', { topP: 1 - 2 ** -40, temperature: 5 }],
  ['top-p of nothing', { topP: 0 }],
  ['min-p', { minP: 0.05 }],
  ['all', { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.01 }],
  ['all, temperature last', { temperature: 3, topK: 40, topP: 0.95, minP: 0.01, temperatureLast: true }],
  ['penalties', { repetitionPenalty: 1.3, presencePenalty: 0.4, frequencyPenalty: 0.2, endSeen: 9 }],
  ['the best, penalties', { repetitionPenalty: 3, presencePenalty: 1, temperature: 0, endSeen: 9 }],
  ['penalties that overflow', { repetitionPenalty: 1e300, frequencyPenalty: -1e308, endSeen: 9, topP: 0.9 }],
  ['least temperature', { temperature: 1e-5, topP: 0.5 }],
  ['largest temperature', { temperature: Number.MAX_VALUE, topP: 0.5, topK: 10 }],
  ['least numbers', { minP: 5e-324, topP: 5e-324, topK: 1 }],
];
const SIZES = [1, 7, 33, 257, 4099];
const ROWS = 6;

export function sampleCases(): Case[] {
  return [
    ...SIZES.flatMap((V) => SETTINGS.map(([name, settings]) => settingCase(name, settings, V))),
    ...SIZES.flatMap((V) => [1, 5].map((N) => logCase(V, Math.min(N, V)))),
    faultCase(),
    tiesCase(),
  ];
}

/** Draws over all of [0, 1), its ends among them. */
const draws = (r: number) => [0, 1 - 2 ** -53][r] ?? uniform({ seed: 5, stream: 0, start: r });

/**
 * Rows flat and peaked, every other one masked where there is more than one id; two columns behind
 * the vocabulary are the largest.
 */
function settingCase(name: string, settings: Partial<SampleRow>, V: number): Case {
  return {
    kernel: 'sample',
    name: `${name}, V ${V}`,
    exact: true,
    run(b) {
      const columns = V + 2;
      const rounds = b.numbers([ROWS, columns]);
      for (let r = 0; r < ROWS; r++)
        for (let v = 0; v < columns; v++) rounds[r * columns + v] *= v < V ? 0.2 * 3 ** r : 1000;
      const rows = Array.from({ length: ROWS }, (_, r) => {
        const endSeen = Math.min(settings.endSeen ?? 0, V);
        return { ...PLAIN_ROW, ...settings, endSeen, u: draws(r), mask: V > 1 && r % 2 === 1 ? r % 3 : -1 };
      });
      return { ids: sampled(b, b.float(rounds, [ROWS, columns]), rows, { ...seenOf(b, V), vocabulary: V }) };
    },
  };
}

/**
 * Each id once, those at the ends among them; some were never generated. Where there are fewer than
 * nine ids the rest belongs to no row. Masks that allow the first id and some two of three.
 */
function seenOf(b: Bench, V: number): SampleOptions {
  const seen = [...new Set(Array.from({ length: 9 }, (_, i) => (i * (V - 1)) >> 3))];
  const words = Math.ceil(V / 32);
  return {
    seen: b.integers(seen.concat(Array.from({ length: 9 - seen.length }, () => 0))),
    times: b.integers(Int32Array.from({ length: 9 }, (_, i) => i % 4)),
    masks: b.integers(
      Int32Array.from({ length: 3 * words }, (_, w) => (0x5b6d_b6db >> (w % 2)) | 1),
      [3, words],
    ),
  };
}

function sampled(b: Bench, logits: Tensor, rows: readonly SampleRow[], options: SampleOptions): Tensor {
  const ids = b.integerOutput([rows.length]);
  b.kernels.sample(ids, logits, rows, options);
  return ids;
}

function faultCase(): Case {
  return {
    kernel: 'sample',
    name: 'rows without an id to choose',
    exact: true,
    run(b) {
      const [nan, most] = [NaN, Infinity];
      const logits = b.float(
        [1, nan, 2, -most, -most, -most, 1, most, 0, 5, -most, -most, 1, 2, 3, -most, 2, -most],
        [6, 3],
      );
      const masks = b.integers([0b110], [1, 1]);
      const rows = [0, 1, 2, 3, 4, 5].map((r) => ({ ...PLAIN_ROW, topP: 0.9, mask: r >= 3 ? 0 : -1 }));
      return { ids: sampled(b, logits, rows, { masks }) };
    },
  };
}

/** Equal scores everywhere: what a rank leaves depends on how ties are counted. */
function tiesCase(): Case {
  return {
    kernel: 'sample',
    name: 'ties',
    exact: true,
    run(b) {
      const settings = [{ topP: 0.5 }, { topP: 0.25 }, { topK: 7 }, { topK: 7, topP: 0.3 }, { minP: 1 }];
      const rows = settings.flatMap((each) => [0.2, 0.999].map((u) => ({ ...PLAIN_ROW, ...each, u })));
      return { ids: sampled(b, b.whole([rows.length, 500], 3), rows, {}) };
    },
  };
}

function logCase(V: number, N: number): Case {
  return {
    kernel: 'logProbabilities',
    name: `V ${V}, best ${N}`,
    run(b) {
      const [chosen, ranks] = [b.wideOutput([ROWS]), b.integerOutput([ROWS])];
      const [topIds, values] = [b.integerOutput([ROWS, N]), b.wideOutput([ROWS, N])];
      const logits = N % 2 ? b.whole([ROWS, V + 1], 9) : b.normal([ROWS, V + 1], 4);
      const top = { ids: topIds, values };
      b.kernels.logProbabilities(chosen, logits, b.indices(ROWS, V), { ranks, top, vocabulary: V });
      return { chosen, ranks, topIds, topValues: values };
    },
  };
}
