import { accumulatorDType, byteLength, fail, type ParameterSpace, type Tensor } from '@cria/tensor';

/** √Σ g² over all gradients of a space; not finite when any of them is not. Waits for the device. */
export async function gradientNorm(parameters: ParameterSpace): Promise<number> {
  if (parameters.hasFlatGradients) return Math.sqrt((await sumsOfSquares([parameters.gradients]))[0]!);
  const sums = await sumsOfSquares(
    parameters.parameters.flatMap((each) => (each.trainable ? [each.grad] : [])),
  );
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
 * Factor that brings a gradient of this norm down to `maxNorm`: min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ has it.
 * Throws on a norm that is not finite, because no factor helps there.
 */
export function clipFactor(norm: number, maxNorm: number): number {
  if (!(maxNorm > 0))
    fail('clipFactor', `maxNorm is ${maxNorm}.`, 'give a number above 0, Infinity for no clipping');
  if (!Number.isFinite(norm)) fail('clipFactor', `the norm is ${norm}.`, 'skip this update: see checkFinite');
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/** The first quantity that is not finite, or that all are. */
export type FiniteCheck =
  | { readonly finite: true }
  | {
      readonly finite: false;
      /** Its name, as given. */
      readonly which: string;
      readonly value: number;
    };

/** Looks at what an update rests on, `{ loss, gradientNorm }`: where one is not finite the update must be skipped. */
export function checkFinite(quantities: Readonly<Record<string, number>>): FiniteCheck {
  for (const [which, value] of Object.entries(quantities)) {
    if (!Number.isFinite(value)) return { finite: false, which, value };
  }
  return { finite: true };
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
