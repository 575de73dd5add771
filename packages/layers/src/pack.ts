import { fail, type ParameterSpace, type StorageId } from '@cria/tensor';
import type { LinearLayer } from './layer.ts';

/** Packs all linear weights, copies the few other parameters, and gives the flat space back. Returns the storages made instead. */
export function packParameters(parameters: ParameterSpace, linears: readonly LinearLayer[]): StorageId[] {
  if (parameters.parameters.some((parameter) => parameter.trainable)) {
    fail(
      'llama.pack',
      'the parameters have gradients.',
      'packed weights cannot be trained: allocate({ gradients: false })',
    );
  }
  const flat = parameters.values.storage;
  for (const linear of linears) linear.pack();
  for (const parameter of parameters.parameters) {
    const { value } = parameter;
    if (value.storage !== flat) continue;
    const copy = parameters.device.empty(value.shape, value.dtype);
    parameters.device.kernels.cast(copy, value);
    parameter.value = copy;
  }
  parameters.free();
  return parameters.parameters.map((parameter) => parameter.value.storage);
}
