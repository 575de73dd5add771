import { fail, type ParameterSpace, type StorageId } from '@cria/tensor';
import type { LinearLayer } from './linear-layer.ts';

/**
 * Packs all linear weights. A flat space is given back, and the few other parameters are copied out
 * of it; weights that were bound one by one, as those of a mapped file, stay whose they are.
 * Returns the storages made instead.
 */
export function packParameters(parameters: ParameterSpace, linears: readonly LinearLayer[]): StorageId[] {
  const all = parameters.parameters;
  if (all.some((parameter) => parameter.trainable)) {
    fail(
      'llama.pack',
      'the parameters have gradients.',
      'packed weights cannot be trained: allocate({ gradients: false })',
    );
  }
  const before = all.map(({ value }) => value.storage);
  for (const linear of linears) linear.pack();
  for (const parameter of all) {
    const { value } = parameter;
    if (!parameters.holds(value.storage)) continue;
    const copy = parameters.device.empty(value.shape, value.dtype);
    parameters.device.kernels.cast(copy, value);
    parameter.value = copy;
  }
  if (parameters.size > 0) parameters.free();
  return all.flatMap(({ value }, i) => (value.storage === before[i] ? [] : [value.storage]));
}
