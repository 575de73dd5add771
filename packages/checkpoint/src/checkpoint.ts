import type { LlamaConfig } from '@cria/layers';
import type { ParameterSpace } from '@cria/tensor';
import type { WeightDType } from './dtypes.ts';

export type CheckpointFormat = 'huggingface' | 'safetensors' | 'gguf' | 'meta' | 'llama2c' | 'training-state';

/** One tensor of a checkpoint under its canonical name, and the way to its bytes. */
export interface TensorInfo {
  /** Meta's name: `layers.0.attention.wq.weight`. */
  readonly name: string;
  /** The name in the file; the canonical one where the format has no names. */
  readonly storedName: string;
  readonly file: string;
  /** First byte in the file; undefined where the tensor is gathered from several places. */
  readonly offset: number | undefined;
  readonly dtype: WeightDType;
  /** Row-major, slowest axis first. */
  readonly shape: readonly number[];
  readonly bytes: number;
  /**
   * Its rows are heads of this width in Hugging Face's order; undefined: Meta's order, or no heads.
   */
  readonly halfSplit: number | undefined;
  /** Where it lies in boxes, as ranks wrote them: these. */
  readonly pieces?: readonly StoredPiece[] | undefined;
  /** Stored bytes `begin` to `end`, in memory of their own. */
  readonly readBytes: (begin: number, end: number) => Promise<Uint8Array>;
}

/** A box of a weight that is stored by itself. */
export interface StoredPiece {
  readonly weight: TensorInfo;
  /** First index along each axis of the whole. */
  readonly begin: readonly number[];
}

/** Ids that a checkpoint names; a model may end at more than one token. */
export interface SpecialIds {
  readonly bos: number | undefined;
  readonly eos: readonly number[];
  readonly pad: number | undefined;
}

/**
 * Weights on disk. Opening reads headers only; the files are opened again for each read, so there
 * is nothing to close, and a file that changed in between is refused.
 */
export interface Checkpoint {
  readonly format: CheckpointFormat;
  readonly path: string;
  readonly config: LlamaConfig;
  readonly specialIds: SpecialIds;
  /** What the files say besides: texts of safetensors, keys of GGUF, fields of params.json. */
  readonly metadata: ReadonlyMap<string, unknown>;
  /** By canonical name, in the order of the files. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** One tensor in canonical (Meta) row order, as float32. */
  read(name: string): Promise<Float32Array>;
  /**
   * Rows `first` to `last` of a matrix in canonical order, as float32; whole heads where the file
   * has them in another order.
   */
  readRows(name: string, first: number, last: number): Promise<Float32Array>;
  /**
   * Writes every parameter of the space, converting dtypes. Names every tensor that is missing,
   * unexpected or of another shape in one error, before anything is written.
   */
  load(parameters: ParameterSpace): Promise<void>;
}
