import type { Llama3Scaling, LlamaConfig } from '@cria/layers';

/*
 * GGUF keeps Llama 3.1's frequency scaling as divisors, one a pair: tensor `rope_freqs.weight` [E /
 * 2] (convert_hf_to_gguf.py generate_extra_tensors). Wavelengths λ = 2π θ^(2j/E): 1 below original
 * / high, `factor` above original / low, blended between.
 */

const { fround } = Math;

/** The divisors, with the rounding that published files have: λ in double, the blend in float32. */
export function ropeDivisors(headDim: number, theta: number, scaling: Llama3Scaling): Float32Array {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContextLength: original } = scaling;
  return Float32Array.from({ length: headDim / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * j) / headDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = fround(fround(fround(original / fround(wavelength)) - low) / (high - low));
    return fround(1 / fround(fround(fround(1 - smooth) / factor) + smooth));
  });
}

/**
 * Settings that give these divisors: those of Llama 3.1 where they do, else others of their kind.
 * Undefined where none does.
 */
export function findScaling(
  divisors: Float32Array,
  config: Pick<LlamaConfig, 'headDim' | 'ropeTheta'>,
): Llama3Scaling | undefined {
  const factor = divisors.reduce((most, value) => Math.max(most, value), 0);
  const lengths = [8192, ...Array.from({ length: 18 }, (_, i) => 2 ** (i + 3))];
  for (const originalContextLength of lengths) {
    for (const [lowFreqFactor, highFreqFactor] of [
      [1, 4],
      [1, 2],
      [1, 8],
      [2, 4],
    ] as const) {
      const scaling = { factor, lowFreqFactor, highFreqFactor, originalContextLength };
      const made = ropeDivisors(config.headDim, config.ropeTheta, scaling);
      if (made.every((value, i) => Math.abs(value - (divisors[i] ?? NaN)) <= 1e-5 * value)) return scaling;
    }
  }
  return undefined;
}
