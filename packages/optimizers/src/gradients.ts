import {
  accumulatorDType,
  byteLength,
  fail,
  type ParameterSpace,
  type Stretch,
  type Tensor,
} from '@cria/tensor';
import { trainableRanges } from './ranges.ts';

/**
 * √Σ g² over all gradients of a space, or over those elements of it that lie in `ranges` (ranks add
 * the squares of theirs); not finite when any of them is not. Waits for the device.
 */
export async function gradientNorm(parameters: ParameterSpace, ranges?: readonly Stretch[]): Promise<number> {
  const flat = parameters.gradientMemory;
  const parts =
    ranges || !flat ? trainableRanges(parameters, ranges).map(({ gradient }) => gradient) : flat.tensors;
  const sums = await sumsOfSquares(parts);
  return Math.sqrt(sums.reduce((total, sum) => total + sum, 0));
}

/** Names of the parameters with a gradient that is not finite: what to say when `gradientNorm` is not. */
export async function nonFiniteGradients(parameters: ParameterSpace): Promise<string[]> {
  const names: string[] = [];
  for (const parameter of parameters.parameters) {
    if (parameter.trainable && !Number.isFinite((await sumsOfSquares([parameter.grad]))[0]))
      names.push(parameter.name);
  }
  return names;
}

/**
 * Factor that brings a gradient of this norm down to `maxNorm`: min(1, maxNorm / (norm + 1e-6)), as
 * torch.nn.utils.clip_grad_norm_ has it. Throws on a norm that is not finite, because no factor
 * helps there.
 */
export function clipFactor(norm: number, maxNorm: number): number {
  if (!(maxNorm > 0))
    fail('clipFactor', `maxNorm is ${maxNorm}.`, 'give a number above 0, Infinity for no clipping');
  if (!Number.isFinite(norm)) fail('clipFactor', `the norm is ${norm}.`, 'skip this update');
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/** Σ g² of each, read in one go. */
async function sumsOfSquares(gradients: readonly Tensor[]): Promise<number[]> {
  const [first] = gradients;
  if (!first) return [];
  const { device, dtype } = first;
  const wide = accumulatorDType(dtype);
  // Each sum lies where a tensor may begin.
  const stride = Math.max(1, device.abilities.offsetAlignment / byteLength(wide, 1));
  const out = device.empty([gradients.length * stride], wide);
  try {
    gradients.forEach((gradient, i) =>
      device.kernels.sumSquares(out.slice(i * stride, i * stride + 1), gradient),
    );
    const sums = await out.read();
    return gradients.map((_, i) => Number(sums[i * stride]));
  } finally {
    device.free(out.storage);
  }
}
