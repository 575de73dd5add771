import { fail } from './errors.ts';
import { ATTENTION_NAMES, allocate, resolveProblem } from './options.ts';
import type { AttentionGradients, AttentionResult, FloatArray, OracleOptions, Problem } from './types.ts';

/**
 * The plain formula, one row at a time, in double precision: what every other version in this package is compared with.
 *
 *     score[j] = scale · q·k[j]    p = softmax(score over the visible keys)
 *     out = Σ_j p[j] · v[j]        lse = log Σ_j exp(score[j])
 *
 * q: [T, H, E]   k, v: [N, K, E]. A row that sees no key gives out = 0, lse = −∞.
 * Throws `AttentionError` on shapes that do not fit.
 */
export function attention<A extends FloatArray>(
  q: A,
  k: A,
  v: A,
  options: OracleOptions,
): AttentionResult<A> {
  const problem = resolveOracle('attention', q, k, v, options);
  const { heads, kvHeads, headDim: E } = problem;
  const out = allocate(q, q.length);
  const lse = allocate(q, q.length / E);
  const row = new Float64Array(E);
  forEachHead(problem, (t, h, first, end) => {
    const at = (t * heads + h) * E;
    const { p, logSum } = softmaxRow(q, k, problem, t, h, first, end, options.allowed);
    lse[t * heads + h] = logSum;
    row.fill(0);
    for (let j = first; j < end; j++) {
      if (p[j - first] === 0) continue; // a hidden key's value is never touched, be it NaN
      const value = (j * kvHeads + kvHead(problem, h)) * E;
      for (let e = 0; e < E; e++) row[e] += p[j - first] * v[value + e];
    }
    out.set(row, at);
  });
  return { out, lse };
}

/**
 * Gradients of `attention`, p recomputed in full (no lse is needed).
 *
 *     dv[j] += p[j] · dout         dp[j] = dout·v[j]    ds[j] = p[j] · (dp[j] − Σ_i p[i] · dp[i])
 *     dq += scale · ds[j] · k[j]    dk[j] += scale · ds[j] · q
 *
 * dout: [T, H, E]. Keys that no row sees get zero.
 */
export function attentionGrad<A extends FloatArray>(
  dout: A,
  q: A,
  k: A,
  v: A,
  options: OracleOptions,
): AttentionGradients<A> {
  const problem = resolveOracle('attentionGrad', q, k, v, options);
  if (dout.length !== q.length) fail('attentionGrad', `dout has ${dout.length} elements, q has ${q.length}.`);
  const { heads, kvHeads, headDim: E, scale } = problem;
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  forEachHead(problem, (t, h, first, end) => {
    const at = (t * heads + h) * E;
    const { p } = softmaxRow(q, k, problem, t, h, first, end, options.allowed);
    const dp = p.map((pj, i) =>
      pj === 0 ? 0 : dot(dout, at, v, ((first + i) * kvHeads + kvHead(problem, h)) * E, E),
    );
    const delta = p.reduce((sum, pj, i) => sum + pj * dp[i], 0);
    for (let j = first; j < end; j++) {
      const pj = p[j - first];
      if (pj === 0) continue;
      const key = (j * kvHeads + kvHead(problem, h)) * E;
      const ds = scale * pj * (dp[j - first] - delta);
      for (let e = 0; e < E; e++) {
        dv[key + e] += pj * dout[at + e]; // out += p · v
        dq[at + e] += ds * k[key + e]; // score = scale · q·k
        dk[key + e] += ds * q[at + e];
      }
    }
  });
  return { dq: store(q, dq), dk: store(k, dk), dv: store(v, dv) };
}

function resolveOracle(
  op: string,
  q: FloatArray,
  k: FloatArray,
  v: FloatArray,
  options: OracleOptions,
): Problem {
  const problem = resolveProblem(op, q, k, v, options, [...ATTENTION_NAMES, 'allowed']);
  const rows = q.length / (problem.heads * problem.headDim);
  if (options.allowed && options.allowed.length !== rows * problem.keys) {
    fail(op, `allowed has ${options.allowed.length} elements for ${rows} rows and ${problem.keys} keys.`);
  }
  return problem;
}

/** Calls `body` for every row and head with the range of keys that causality and the window let it see. */
function forEachHead(
  problem: Problem,
  body: (t: number, h: number, first: number, end: number) => void,
): void {
  const { segments, queryOffset, keys, heads, window } = problem;
  for (let s = 0; s + 1 < segments.length; s++) {
    for (let t = segments[s]; t < segments[s + 1]; t++) {
      const end = Math.max(segments[s], Math.min(keys, t + queryOffset + 1));
      const first = Math.min(end, Math.max(segments[s], t + queryOffset + 1 - window));
      for (let h = 0; h < heads; h++) body(t, h, first, end);
    }
  }
}

function softmaxRow(
  q: FloatArray,
  k: FloatArray,
  problem: Problem,
  t: number,
  h: number,
  first: number,
  end: number,
  allowed: Uint8Array | undefined,
): { p: Float64Array; logSum: number } {
  const { heads, kvHeads, headDim: E, scale, keys } = problem;
  const score = new Float64Array(end - first).fill(-Infinity);
  for (let j = first; j < end; j++) {
    if (allowed && allowed[t * keys + j] === 0) continue;
    score[j - first] = scale * dot(q, (t * heads + h) * E, k, (j * kvHeads + kvHead(problem, h)) * E, E);
  }
  const max = score.reduce((a, b) => Math.max(a, b), -Infinity);
  if (max === -Infinity) return { p: score.fill(0), logSum: -Infinity };
  const p = score.map((s) => Math.exp(s - max));
  const sum = p.reduce((a, b) => a + b, 0);
  return { p: p.map((x) => x / sum), logSum: max + Math.log(sum) };
}

function kvHead(problem: Problem, h: number): number {
  return Math.floor(h / (problem.heads / problem.kvHeads));
}

function dot(a: FloatArray, atA: number, b: FloatArray, atB: number, length: number): number {
  let sum = 0;
  for (let e = 0; e < length; e++) sum += a[atA + e] * b[atB + e];
  return sum;
}

function store<A extends FloatArray>(like: A, values: Float64Array): A {
  const result = allocate(like, values.length);
  result.set(values);
  return result;
}
