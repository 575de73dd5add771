import type { DynamicScaling, Llama3Scaling, RopeScaling, YarnScaling } from './rope-scaling.ts';

/**
 * θ^(−2j/E) for j = 0 … E/2 − 1, in double, each changed as the scaling says.
 *
 * @param position only `dynamic` scaling looks at it: the last position of the text.
 */
export function inverseFrequencies(
  headDim: number,
  theta: number,
  scaling?: RopeScaling,
  position = 0,
): Float64Array {
  const base = scaling?.type === 'dynamic' ? dynamicTheta(headDim, theta, scaling, position) : theta;
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, j) => base ** ((-2 * j) / headDim));
  switch (scaling?.type) {
    case 'linear':
      return frequencies.map((frequency) => frequency / scaling.factor);
    case 'yarn':
      return blend(frequencies, theta, scaling);
    case 'dynamic':
      return frequencies;
    default:
      return scaling ? frequencies.map((frequency) => scaleFrequency(frequency, scaling)) : frequencies;
  }
}

/** θ of a text that ends at `position` (`_compute_dynamic_ntk_parameters` of transformers). */
function dynamicTheta(headDim: number, theta: number, scaling: DynamicScaling, position: number): number {
  const { factor, originalContextLength } = scaling;
  const length = Math.max(position + 1, originalContextLength);
  const growth = (factor * length) / originalContextLength - (factor - 1);
  return growth === 1 ? theta : theta * growth ** (headDim / (headDim - 2));
}

/**
 * Short wavelengths stay, long ones grow by `factor`, those between are blended (`apply_scaling` of
 * meta-llama/llama-models).
 */
function scaleFrequency(frequency: number, scaling: Llama3Scaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalContextLength / highFreqFactor) return frequency;
  if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor;
  const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/**
 * YaRN: pairs up to `low` stay, pairs from `high` on are divided by the factor, a straight line
 * between (Peng et al. 2023, §3.2).
 */
function blend(frequencies: Float64Array, theta: number, scaling: YarnScaling): Float64Array {
  const { factor, originalContextLength, betaFast = 32, betaSlow = 1, truncate = true } = scaling;
  const headDim = 2 * frequencies.length;
  /** The pair, a real number, that turns so often within the original context. */
  const pairOf = (turns: number) =>
    (headDim * Math.log(originalContextLength / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairOf(betaFast), pairOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, headDim - 1);
  const width = high === low ? 0.001 : high - low; // as transformers keeps the line from standing upright
  return frequencies.map((frequency, j) => {
    const stretched = Math.min(1, Math.max(0, (j - low) / width));
    return (frequency / factor) * stretched + frequency * (1 - stretched);
  });
}

/**
 * What GGUF files store as `rope_freqs.weight`: by how much each frequency is divided, with the
 * bits of the released files (wavelengths and their comparison in double, the blend in float32 with
 * every operation rounded).
 */
export function ropeFrequencyDivisors(headDim: number, theta: number, scaling: Llama3Scaling): Float32Array {
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
