/*
 * The kernels' formulas once more, as plain as they can be written, in float64 over nested loops:
 * independent of the package, for tests on machines without the fixtures.
 */

export type Matrix = number[][];

export const matrix = (rows: number, columns: number, f: (i: number, j: number) => number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (__, j) => f(i, j)));

export const flat = (m: Matrix): number[] => m.flat();

/** A fixed sequence of numbers between −1 and 1 that no formula is special for. */
export const numbers = (rows: number, columns: number, seed: number): Matrix =>
  matrix(rows, columns, (i, j) => Math.sin(12.9898 * (i * columns + j + 1) + 78.233 * seed));

const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** x · wᵀ */
export const linear = (x: Matrix, w: Matrix): Matrix => x.map((row) => w.map((weights) => dot(row, weights)));

export const rmsNorm = (x: Matrix, gain: number[], eps: number): Matrix =>
  x.map((row) => row.map((value, d) => (value / Math.sqrt(dot(row, row) / row.length + eps)) * gain[d]));

export function rope(
  x: Matrix,
  positions: number[],
  heads: number,
  theta: number,
  pairing: 'adjacent' | 'half',
  sign = 1,
): Matrix {
  return x.map((row, t) => {
    const E = row.length / heads;
    return row.map((value, i) => {
      const [h, e] = [Math.floor(i / E), i % E];
      const j = pairing === 'adjacent' ? e >> 1 : e % (E / 2);
      const first = pairing === 'adjacent' ? e % 2 === 0 : e < E / 2;
      const partner = pairing === 'adjacent' ? e ^ 1 : (e + E / 2) % E;
      const angle = sign * positions[t] * theta ** ((-2 * j) / E);
      return value * Math.cos(angle) + (first ? -1 : 1) * row[h * E + partner] * Math.sin(angle);
    });
  });
}

export const ropeTable = (rows: number, E: number, theta: number): Matrix =>
  matrix(rows, E, (p, i) => {
    const angle = p * theta ** ((-2 * (i >> 1)) / E);
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });

export const swiglu = (gate: Matrix, up: Matrix): Matrix =>
  gate.map((row, i) => row.map((g, j) => (g / (1 + Math.exp(-g))) * up[i][j]));

/** Query row t sees the keys of its own segment up to itself. */
export function attention(
  q: Matrix,
  k: Matrix,
  v: Matrix,
  segment: number[],
  heads: number,
  kvHeads: number,
): Matrix {
  return q.map((row, t) => {
    const E = row.length / heads;
    return row.map((_, i) => {
      const h = Math.floor(i / E);
      const kv = Math.floor(h / (heads / kvHeads)) * E;
      const seen = k.flatMap((__, p) => (p <= t && segment[p] === segment[t] ? [p] : []));
      const scores = seen.map((p) => dot(row.slice(h * E, h * E + E), k[p].slice(kv, kv + E)) / Math.sqrt(E));
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const total = weights.reduce((a, b) => a + b);
      return (
        dot(
          weights,
          seen.map((p) => v[p][kv + (i % E)]),
        ) / total
      );
    });
  });
}

export const crossEntropy = (logits: Matrix, targets: number[]): number[] =>
  logits.map((z, t) => {
    if (targets[t] < 0) return 0;
    const top = Math.max(...z);
    return Math.log(z.reduce((sum, value) => sum + Math.exp(value - top), 0)) + top - z[targets[t]];
  });
