import type { LlamaConfig } from '@cria/layers';
import type { ParameterSpace } from '@cria/tensor';
import type { StoredDType } from './safetensors/dtypes.ts';

export type CheckpointFormat = 'huggingface' | 'safetensors' | 'llama2c' | 'training-state';

/** What a checkpoint says about one tensor, under its canonical name. */
export interface TensorInfo {
  /** Meta's name: `layers.0.attention.wq.weight`. */
  readonly name: string;
  /** The name in the file; the canonical one where the format has no names. */
  readonly storedName: string;
  readonly file: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Ids that a checkpoint names; a model may end at more than one token. */
export interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: readonly number[];
  readonly pad: number | undefined;
}

/**
 * Weights on disk. Opening reads headers only; the files are opened again for each read, so there is nothing to close, and a file that
 * changed in between is refused.
 */
export interface Checkpoint {
  readonly format: CheckpointFormat;
  readonly path: string;
  readonly config: LlamaConfig;
  readonly specialIds: SpecialIds;
  /** By canonical name, in the order of the files. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** One tensor in canonical (Meta) row order, as float32. */
  read(name: string): Promise<Float32Array>;
  /**
   * Writes every parameter of the space, converting dtypes. Names every tensor that is missing, unexpected or of another shape in one
   * error, before anything is written.
   */
  load(parameters: ParameterSpace): Promise<void>;
}
