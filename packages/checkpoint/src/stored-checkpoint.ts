import type { LlamaConfig } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from './checkpoint.ts';
import { loadWeights, readFloat32 } from './weights.ts';

/** A checkpoint over stored weights, whatever the format they came from. */
export function makeCheckpoint(
  format: CheckpointFormat,
  path: string,
  config: LlamaConfig,
  specialIds: SpecialIds,
  weights: ReadonlyMap<string, TensorInfo>,
  metadata: ReadonlyMap<string, unknown> = new Map(),
): Checkpoint {
  return {
    format,
    path,
    config,
    specialIds,
    metadata,
    tensors: weights,
    read(name) {
      const weight = weights.get(name);
      return weight
        ? readFloat32('checkpoint.read', weight)
        : fail('checkpoint.read', `${path} has no tensor "${name}".`);
    },
    load: (parameters) =>
      loadWeights('checkpoint.load', path, weights, parameters.parameters, config.tiedEmbeddings),
  };
}
