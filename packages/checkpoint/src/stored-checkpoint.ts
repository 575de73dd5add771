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
  const find = (op: string, name: string) =>
    weights.get(name) ?? fail(op, `${path} has no tensor "${name}".`);
  return {
    format,
    path,
    config,
    specialIds,
    metadata,
    tensors: weights,
    read: (name) => readFloat32('checkpoint.read', find('checkpoint.read', name)),
    readRows: (name, first, last) =>
      readFloat32('checkpoint.readRows', find('checkpoint.readRows', name), first, last),
    load: async (parameters) => {
      const targets = parameters.parameters.map((parameter) => ({
        name: parameter.name,
        value: parameters.master(parameter),
        part: parameter.part,
      }));
      await loadWeights('checkpoint.load', path, weights, targets, config.tiedEmbeddings);
      parameters.roundMasters();
    },
  };
}
