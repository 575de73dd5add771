import { type Kernels, SAMPLE_FAULTS, type SampleOptions, type SampleRow } from '../kernels.ts';
import { exponential } from '../scores/exponential.ts';
import { keepMinP, keepTopK, keepTopP } from '../scores/keep.ts';
import { penalizeSeen } from '../scores/penalties.ts';
import { argmax, divideScores, draw, exponentiate, keepMasked, maxOf } from '../scores/scores.ts';
import type { Memory, Numbers } from './memory.ts';

/** vLLM's limit: dividing by less only overflows. */
export const GREEDY_BELOW = 1e-5;

export function sampleKernels(memory: Memory): Pick<Kernels, 'sample' | 'logProbabilities'> {
  return {
    sample(ids, logits, rows, options = {}) {
      const { vocabulary = logits.columns } = options;
      const output = memory.integers(ids);
      rows.forEach((row, r) => {
        const scores = Float64Array.from(memory.rows(logits, r, r + 1).subarray(0, vocabulary));
        output[r] = sampleRow(scores, row, seenOf(memory, row, options), maskOf(memory, row, options));
      });
    },

    logProbabilities(chosen, logits, ids, { ranks, top, vocabulary = logits.columns } = {}) {
      const given = memory.integers(ids);
      const places = ranks && memory.integers(ranks);
      const values = memory.target(chosen);
      const topIds = top && memory.integers(top.ids);
      const topValues = top && memory.target(top.values);
      const N = top?.ids.columns ?? 0;
      for (let r = 0; r < logits.rows; r++) {
        const row = memory.rows(logits, r, r + 1).subarray(0, vocabulary);
        const value = logSoftmax(row);
        const order = byProbability(row);
        values[r] = value(row[given[r]]);
        if (places) places[r] = order.indexOf(given[r]);
        order.slice(0, N).forEach((id, i) => {
          topIds![r * N + i] = id;
          topValues![r * N + i] = value(row[id]);
        });
      }
      memory.store(chosen, values);
      if (top && topValues) memory.store(top.values, topValues);
    },
  };
}

function seenOf(memory: Memory, { firstSeen, endSeen }: SampleRow, { seen, times }: SampleOptions) {
  const part = (tensor: SampleOptions['seen']) =>
    tensor ? memory.integers(tensor).subarray(firstSeen, endSeen) : new Int32Array(0);
  return { seen: part(seen), times: part(times) };
}

function maskOf(memory: Memory, { mask }: SampleRow, { masks }: SampleOptions): Int32Array | undefined {
  return masks && mask >= 0
    ? memory.integers(masks).subarray(mask * masks.columns, (mask + 1) * masks.columns)
    : undefined;
}

/** Chooses from one row; the scores are used up.                              scores: [V′] */
function sampleRow(
  scores: Float64Array,
  row: SampleRow,
  seen: { readonly seen: Int32Array; readonly times: Int32Array },
  mask: Int32Array | undefined,
): number {
  const given = scores[argmax(scores)] ?? NaN;
  if (Number.isNaN(given)) return SAMPLE_FAULTS.nan;
  if (!Number.isFinite(given)) return given > 0 ? SAMPLE_FAULTS.infinity : SAMPLE_FAULTS.nothing;
  if (mask) keepMasked(scores, mask);
  if (mask && maxOf(scores) === -Infinity) return SAMPLE_FAULTS.masked;
  penalizeSeen(scores, seen, {
    repetition: row.repetitionPenalty,
    presence: row.presencePenalty,
    frequency: row.frequencyPenalty,
  });
  if (row.temperature < GREEDY_BELOW) return argmax(scores);
  const divide = () => row.temperature !== 1 && divideScores(scores, row.temperature, maxOf(scores));
  if (!row.temperatureLast) divide();
  if (row.topK > 0) keepTopK(scores, row.topK);
  if (row.topP < 1) keepTopP(scores, row.topP);
  if (row.minP > 0) keepMinP(scores, row.minP);
  if (row.temperatureLast) divide();
  const total = exponentiate(scores);
  return draw(scores, total, row.u);
}

/** z ↦ z − max − log Σ exp(z − max)                                          row: [V′] */
function logSoftmax(row: Numbers): (z: number) => number {
  let max = -Infinity;
  for (let i = 0; i < row.length; i++) if (row[i] > max) max = row[i];
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += exponential(row[i] - max);
  const logSum = Math.log(sum);
  return (z) => z - max - logSum;
}

/** All ids, the largest number first, the first of equals first; NaN counts as the least. */
function byProbability(row: Numbers): number[] {
  const rank = (id: number) => (Number.isNaN(row[id]) ? -Infinity : row[id]);
  const ids = Array.from(row.keys());
  return ids.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
}
