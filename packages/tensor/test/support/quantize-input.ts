/*
 * Weights and importance for the quantisers, the same in TypeScript and C: sums of three xorshift32
 * numbers, rows of many scales, rows without a sign, rows with runs of zeros, with all zeros,
 * constants, and an outlier a sub-block.
 */

const ROWS = 96;
export const COLUMNS = 512;

const { fround } = Math;

export function quantizeInput(): { weights: Float32Array; importance: Float32Array } {
  let state = 2463534242;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return fround(state | 0) / 2147483648;
  };
  const weights = new Float32Array(ROWS * COLUMNS);
  for (let r = 0; r < ROWS; r++) {
    for (let c = 0; c < COLUMNS; c++) {
      let v = fround(fround(next() + next()) + next());
      if (r % 7 === 3) v = Math.abs(v);
      if (r % 11 === 5) v = -Math.abs(v);
      if (r % 13 === 6 && c % 32 > 5) v = 0;
      if (r === 20) v = 0;
      if (r === 31) v = 1.25;
      if (r === 33 && c % 64 === 9) v = fround(v * 100);
      weights[r * COLUMNS + c] = v * 2 ** ((r % 24) - 14);
    }
  }
  const importance = new Float32Array(COLUMNS);
  for (let c = 0; c < COLUMNS; c++) {
    const a = next();
    importance[c] = fround(a * a) * (c % 17 === 0 ? 40 : 1);
  }
  return { weights, importance };
}

/**
 * First 16 hex digits of the SHA-256 of the blocks that ggml (llama.cpp 0c1e57098) makes of them:
 * plain, and with importance.
 */
export const ggmlBlocks = [
  ['q8_0', 'dcd2d2df2af9a812', 'dcd2d2df2af9a812'],
  ['q4_0', 'ea287588a9bb74c1', 'be62b0f3986c3fdb'],
  ['q4_1', '15ec8701245fe3af', '6dac8459fd365659'],
  ['q5_0', '5e056b4acb203820', '98bbf8e7ef6edd25'],
  ['q5_1', 'c360b7a2a8d02a3e', '311025a7e95ce7a5'],
  ['q4_k', 'b6b2f1a28e63b63b', 'f6148a7320d1144d'],
  ['q5_k', 'a745afdf10f8bc17', 'f9039b2f70f8a858'],
  ['q6_k', '377b809fdde69157', '2383bec018227b5b'],
] as const;
