import type { RopeScaling } from './config.ts';

/** θ^(−2j/E) for j = 0 … E/2 − 1, in double, each divided as Llama 3.1's scaling says. */
export function inverseFrequencies(headDim: number, theta: number, scaling?: RopeScaling): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, j) => {
    const frequency = theta ** ((-2 * j) / headDim);
    return scaling ? scaleFrequency(frequency, scaling) : frequency;
  });
}

/** Short wavelengths stay, long ones grow by `factor`, those between are blended (`apply_scaling` of meta-llama/llama-models). */
function scaleFrequency(frequency: number, scaling: RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalContextLength / highFreqFactor) return frequency;
  if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor;
  const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/**
 * What GGUF files store as `rope_freqs.weight`: by how much each frequency is divided, with the bits of the released files (wavelengths
 * and their comparison in double, the blend in float32 with every operation rounded).
 */
export function ropeFrequencyDivisors(headDim: number, theta: number, scaling: RopeScaling): Float32Array {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const f = Math.fround;
  return Float32Array.from({ length: headDim / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * j) / headDim);
    if (wavelength < originalContextLength / highFreqFactor) return 1;
    if (wavelength > originalContextLength / lowFreqFactor) return factor;
    const ratio = f(f(originalContextLength) / f(wavelength));
    const smooth = f(f(ratio - lowFreqFactor) / f(highFreqFactor - lowFreqFactor));
    return f(1 / f(f(f(1 - smooth) / factor) + smooth));
  });
}
