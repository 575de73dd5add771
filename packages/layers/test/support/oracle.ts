import type { LlamaConfig } from '../../src/index.ts';

/*
 * LLaMA's forward pass once more, in float64 and plain loops, sharing no code with the layers: what
 * they are compared with on machines without the fixtures, and the function whose central
 * differences their gradients must equal.
 */

export type Weights = Record<string, Float64Array>;

export interface Batch {
  readonly tokens: ArrayLike<number>;
  readonly targets: ArrayLike<number>;
  /** First row of each sequence, and the number of rows. */
  readonly segments: readonly number[];
}

/** Loss of every token, 0 where nothing is to be predicted. */
export function oracleLosses(
  config: LlamaConfig,
  weights: Weights,
  batch: Batch,
  pairing: 'adjacent' | 'half',
): Float64Array {
  const losses = new Float64Array(batch.tokens.length);
  for (let s = 0; s + 1 < batch.segments.length; s++) {
    const [start, end] = [batch.segments[s]!, batch.segments[s + 1]!];
    const ids = Array.from({ length: end - start }, (_, t) => batch.tokens[start + t]!);
    oracleLogits(config, weights, ids, pairing).forEach((logits, t) => {
      const target = batch.targets[start + t]!;
      if (target === -100) return;
      const top = Math.max(...logits);
      losses[start + t] =
        Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) + top - logits[target]!;
    });
  }
  return losses;
}

/** Logits of every position of one sequence. */
export function oracleLogits(
  config: LlamaConfig,
  weights: Weights,
  ids: readonly number[],
  pairing: 'adjacent' | 'half',
): number[][] {
  const { dim, nLayers, vocabSize } = config;
  const table = weights['tok_embeddings.weight']!;
  let stream = ids.map((id) => [...table.subarray(id * dim, (id + 1) * dim)]);
  for (let l = 0; l < nLayers; l++) {
    const at = (name: string, what = 'weight') => weights[`layers.${l}.${name}.${what}`]!;
    const window = (config.slidingLayers?.[l] ?? true) ? config.slidingWindow : undefined;
    const normed = norm(stream, at('attention_norm'), config.normEps);
    stream = plus(stream, attend(config, at, normed, pairing, window));
    stream = plus(stream, feedForward(config, at, norm(stream, at('ffn_norm'), config.normEps)));
  }
  return times(
    norm(stream, weights['norm.weight']!, config.normEps),
    weights['output.weight'] ?? table,
    vocabSize,
  );
}

function attend(
  config: LlamaConfig,
  at: Part,
  x: number[][],
  pairing: 'adjacent' | 'half',
  window = Infinity,
): number[][] {
  const { dim, nHeads, nKvHeads, headDim } = config;
  const turn = (rows: number[][]) => rows.map((row, position) => rotate(config, row, position, pairing));
  const q = turn(linear(x, at, 'attention.wq', nHeads * headDim));
  const k = turn(linear(x, at, 'attention.wk', nKvHeads * headDim));
  const v = linear(x, at, 'attention.wv', nKvHeads * headDim);
  const out = q.map((row, t) => {
    const result: number[] = [];
    for (let h = 0; h < nHeads; h++) {
      const kv = Math.floor((h * nKvHeads) / nHeads) * headDim;
      const exps = k.slice(0, t + 1).map((key, s) => {
        if (t - s >= window) return 0;
        let score = 0;
        for (let e = 0; e < headDim; e++) score += row[h * headDim + e]! * key[kv + e]!;
        return Math.exp(score / Math.sqrt(headDim));
      });
      const sum = exps.reduce((a, b) => a + b, 0);
      for (let e = 0; e < headDim; e++)
        result.push(exps.reduce((a, p, s) => a + p * v[s]![kv + e]!, 0) / sum);
    }
    return result;
  });
  return linear(out, at, 'attention.wo', dim);
}

/** A weight or bias of a block; undefined where it has none. */
type Part = (name: string, what?: string) => Float64Array;

function feedForward(config: LlamaConfig, at: Part, x: number[][]): number[][] {
  const gate = linear(x, at, 'feed_forward.w1', config.ffnDim);
  const up = linear(x, at, 'feed_forward.w3', config.ffnDim);
  const hidden = gate.map((row, t) => row.map((z, i) => (z / (1 + Math.exp(-z))) * up[t]![i]!));
  return linear(hidden, at, 'feed_forward.w2', config.dim);
}

function rotate(
  config: LlamaConfig,
  row: number[],
  position: number,
  pairing: 'adjacent' | 'half',
): number[] {
  const { headDim, ropeTheta } = config;
  const result = [...row];
  for (let head = 0; head < row.length; head += headDim) {
    for (let j = 0; j < headDim / 2; j++) {
      const [a, b] =
        pairing === 'adjacent' ? [head + 2 * j, head + 2 * j + 1] : [head + j, head + j + headDim / 2];
      const angle = position * stretched(config, ropeTheta ** ((-2 * j) / headDim));
      result[a] = row[a]! * Math.cos(angle) - row[b]! * Math.sin(angle);
      result[b] = row[a]! * Math.sin(angle) + row[b]! * Math.cos(angle);
    }
  }
  return result;
}

function stretched({ ropeScaling }: LlamaConfig, frequency: number): number {
  if (!ropeScaling) return frequency;
  if (ropeScaling.type !== undefined && ropeScaling.type !== 'llama3')
    throw new Error(`the oracle has no scaling of type ${ropeScaling.type}`);
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContextLength: context } = ropeScaling;
  const turns = (context * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return kept * frequency + ((1 - kept) * frequency) / factor;
}

function norm(rows: number[][], gain: Float64Array, eps: number): number[][] {
  return rows.map((row) => {
    const scale = 1 / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + eps);
    return row.map((x, i) => x * scale * gain[i]!);
  });
}

/** rows · wᵀ, and the bias where there is one */
function linear(rows: number[][], at: Part, name: string, outputs: number): number[][] {
  const bias = at(name, 'bias') as Float64Array | undefined; // most parts have none
  const products = times(rows, at(name), outputs);
  return bias ? products.map((row) => row.map((value, i) => value + bias[i]!)) : products;
}

/** rows · wᵀ, w: [outputs, inputs] */
function times(rows: number[][], w: Float64Array, outputs: number): number[][] {
  return rows.map((row) =>
    Array.from({ length: outputs }, (_, o) => {
      let sum = 0;
      for (let i = 0; i < row.length; i++) sum += row[i]! * w[o * row.length + i]!;
      return sum;
    }),
  );
}

function plus(a: number[][], b: number[][]): number[][] {
  return a.map((row, t) => row.map((x, i) => x + b[t]![i]!));
}
