import { type DType, dtypes } from './dtype.ts';
import { fail } from './errors.ts';
import { f16ToNumber } from './half.ts';

/*
 * GGUF's block formats to float32, bit for bit as ggml's reference: every product and sum is
 * rounded to float32. A block holds its scales as IEEE halves `d` (and `m` or `dmin`); letters as
 * in ggml: q the stored integer, sc and m the scale and minimum of a sub-block.
 */

/** Decodes one block at `at` to `out` from `to`. */
type Decode = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

const { fround } = Math;

/** What the four bits of IQ4_NL and IQ4_XS stand for: dense about zero, where most weights are. */
const uneven = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

const decoders: Partial<Record<DType, Decode>> = {
  q8_0(b, at, out, to) {
    const d = half(b, at);
    for (let j = 0; j < 32; j++) out[to + j] = d * ((b[at + 2 + j] << 24) >> 24);
  },
  q4_0(b, at, out, to) {
    const d = half(b, at);
    for (let j = 0; j < 16; j++) {
      out[to + j] = d * ((b[at + 2 + j] & 15) - 8);
      out[to + j + 16] = d * ((b[at + 2 + j] >> 4) - 8);
    }
  },
  q4_1(b, at, out, to) {
    const d = half(b, at);
    const m = half(b, at + 2);
    for (let j = 0; j < 16; j++) {
      out[to + j] = fround(d * (b[at + 4 + j] & 15)) + m;
      out[to + j + 16] = fround(d * (b[at + 4 + j] >> 4)) + m;
    }
  },
  q5_0(b, at, out, to) {
    const d = half(b, at);
    for (let j = 0; j < 32; j++) out[to + j] = d * (fiveBits(b, at + 2, j) - 16);
  },
  q5_1(b, at, out, to) {
    const d = half(b, at);
    const m = half(b, at + 2);
    for (let j = 0; j < 32; j++) out[to + j] = fround(d * fiveBits(b, at + 4, j)) + m;
  },
  q2_k(b, at, out, to) {
    const d = half(b, at + 80);
    const dmin = half(b, at + 82);
    for (let j = 0; j < 16; j++) {
      const dl = fround(d * (b[at + j] & 15));
      const ml = fround(dmin * (b[at + j] >> 4));
      for (let l = 0; l < 16; l++) out[to + 16 * j + l] = fround(dl * twoBits(b, at + 16, j, l)) - ml;
    }
  },
  q3_k(b, at, out, to) {
    const d = half(b, at + 108);
    for (let j = 0; j < 16; j++) {
      const low = j < 8 ? b[at + 96 + j] & 15 : b[at + 96 + j - 8] >> 4;
      const high = (b[at + 104 + (j & 3)] >> (2 * (j >> 2))) & 3;
      const dl = fround(d * ((low | (high << 4)) - 32));
      for (let l = 0; l < 16; l++) {
        // Bit n of hmask belongs to the n-th run of 32 weights; where it is clear the weight is 4 less.
        const set = (b[at + 16 * (j & 1) + l] >> (j >> 1)) & 1;
        out[to + 16 * j + l] = dl * (twoBits(b, at + 32, j, l) - (set ? 0 : 4));
      }
    }
  },
  q4_k(b, at, out, to) {
    for (let j = 0; j < 8; j++) {
      const { dl, ml } = subBlock(b, at, j);
      for (let l = 0; l < 32; l++) out[to + 32 * j + l] = fround(dl * nibble(b, at + 16, j, l)) - ml;
    }
  },
  q5_k(b, at, out, to) {
    for (let j = 0; j < 8; j++) {
      const { dl, ml } = subBlock(b, at, j);
      for (let l = 0; l < 32; l++) {
        const q = nibble(b, at + 48, j, l) | (((b[at + 16 + l] >> j) & 1) << 4);
        out[to + 32 * j + l] = fround(dl * q) - ml;
      }
    }
  },
  q6_k(b, at, out, to) {
    const d = half(b, at + 208);
    for (let n = 0; n < 2; n++) {
      for (let k = 0; k < 4; k++) {
        for (let l = 0; l < 32; l++) {
          const low = (b[at + 64 * n + l + 32 * (k & 1)] >> (4 * (k >> 1))) & 15;
          const high = (b[at + 128 + 32 * n + l] >> (2 * k)) & 3;
          const scale = (b[at + 192 + 8 * n + 2 * k + (l >> 4)] << 24) >> 24;
          out[to + 128 * n + 32 * k + l] = fround(d * scale) * ((low | (high << 4)) - 32);
        }
      }
    }
  },
  iq4_nl(b, at, out, to) {
    const d = half(b, at);
    for (let j = 0; j < 16; j++) {
      out[to + j] = d * uneven[b[at + 2 + j] & 15];
      out[to + j + 16] = d * uneven[b[at + 2 + j] >> 4];
    }
  },
  iq4_xs(b, at, out, to) {
    const d = half(b, at);
    const high = b[at + 2] | (b[at + 3] << 8);
    for (let j = 0; j < 8; j++) {
      const low = (b[at + 4 + (j >> 1)] >> (4 * (j & 1))) & 15;
      const dl = fround(d * ((low | (((high >> (2 * j)) & 3) << 4)) - 32));
      for (let l = 0; l < 16; l++) {
        const q = b[at + 8 + 16 * j + l];
        out[to + 32 * j + l] = dl * uneven[q & 15];
        out[to + 32 * j + l + 16] = dl * uneven[q >> 4];
      }
    }
  },
};

/**
 * Decodes whole blocks of a GGUF block format to float32.                       bytes: n blocks   out: n · blockSize
 * Throws where `dtype` is no block format or the lengths do not fit.
 */
export function dequantize(dtype: DType, bytes: Uint8Array, out: Float32Array): void {
  const decode = decoders[dtype];
  if (!decode)
    fail(
      'dequantize',
      `${dtype} is not a block format.`,
      `block formats are ${Object.keys(decoders).join(', ')}`,
    );
  const { blockSize, blockBytes } = dtypes[dtype];
  const blocks = bytes.length / blockBytes;
  if (!Number.isInteger(blocks) || out.length !== blocks * blockSize) {
    fail(
      'dequantize',
      `${bytes.length} bytes of ${dtype} do not hold ${out.length} weights.`,
      `${blockBytes} bytes hold ${blockSize}`,
    );
  }
  for (let i = 0; i < blocks; i++) decode(bytes, i * blockBytes, out, i * blockSize);
}

function half(bytes: Uint8Array, at: number): number {
  return f16ToNumber(bytes[at] | (bytes[at + 1] << 8));
}

/** Weight j of Q5_0 and Q5_1: 32 high bits, then 16 bytes of nibbles. */
function fiveBits(b: Uint8Array, at: number, j: number): number {
  const low = j < 16 ? b[at + 4 + j] & 15 : b[at + 4 + j - 16] >> 4;
  return low | (((b[at + (j >> 3)] >> (j & 7)) & 1) << 4);
}

/** Element l of the j-th run of 16 in Q2_K and Q3_K: 32 bytes hold the runs of 128 weights, two bits each. */
function twoBits(b: Uint8Array, at: number, j: number, l: number): number {
  return (b[at + 32 * (j >> 3) + 16 * (j & 1) + l] >> (2 * ((j & 7) >> 1))) & 3;
}

/** Element l of sub-block j in Q4_K and Q5_K: 32 bytes hold two sub-blocks, low nibbles first. */
function nibble(b: Uint8Array, at: number, j: number, l: number): number {
  return (b[at + 32 * (j >> 1) + l] >> (4 * (j & 1))) & 15;
}

/** Scale and minimum of sub-block j in Q4_K and Q5_K: six bits each, packed in 12 bytes after d and dmin. */
function subBlock(b: Uint8Array, at: number, j: number): { dl: number; ml: number } {
  const s = at + 4 + j;
  const sc = j < 4 ? b[s] & 63 : (b[s + 4] & 15) | ((b[s - 4] >> 6) << 4);
  const m = j < 4 ? b[s + 4] & 63 : (b[s + 4] >> 4) | ((b[s] >> 6) << 4);
  return { dl: fround(half(b, at) * sc), ml: fround(half(b, at + 2) * m) };
}
