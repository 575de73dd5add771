import type { LlamaConfig } from '@cria/layers';
import type { ParameterSpace, Tensor } from '@cria/tensor';
import type { BaseModel } from '../base-model.ts';
import type { Checkpoint, SpecialIds } from '../checkpoint.ts';

/** Plain data that survives JSON unchanged: finite numbers, strings, booleans, null, lists and records of them. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The tensor of a rank's file that holds its values; every other is a state of that name. */
export const VALUES = 'values';

export interface TrainingState {
  /** Optimizer steps done. */
  readonly step: number;
  /** Values, and the states of an optimizer that are there. */
  readonly parameters: ParameterSpace;
  readonly config: LlamaConfig;
  /** Whatever the loop needs to go on: sample position, seeds, schedule, best loss. */
  readonly counters: Json;
  /** Hashes of the tokenizer, the data and the like, to compare before going on. */
  readonly fingerprints?: Readonly<Record<string, string>>;
  /** Files to keep beside the weights, such as `tokenizer.model`: a plain name, and the bytes. */
  readonly extraFiles?: Readonly<Record<string, Uint8Array>>;
  /** For `config.json`. */
  readonly specialIds?: Partial<SpecialIds>;
  /**
   * What the frozen parameters that were given their values are (`baseModelOf`). They are then not
   * saved: the state is what is trained, an adapter for one, and says which base it belongs to.
   */
  readonly base?: BaseModel;
}

export interface SaveTrainingStateOptions {
  /** Complete states to keep, the new one included; at least 1. Default 2. */
  readonly keepLast?: number;
  /** Besides, keep every state whose step is a multiple of this. Default: none. */
  readonly keepEvery?: number;
}

/** A complete training state on disk. */
export interface SavedTrainingState {
  readonly step: number;
  readonly folder: string;
  /** Bytes of all its files. */
  readonly bytes: number;
}

export interface LoadTrainingStateOptions {
  /** Where the newest state is damaged, take the newest whole one before it instead of failing. Default false. */
  readonly fallback?: boolean;
}

/** The part of a state that one rank takes. */
export interface RankRange {
  /** Has its places (`allocate`); its values are not touched. */
  readonly parameters: ParameterSpace;
  /** First element of the flat spaces; the tensors say how many. */
  readonly begin: number;
  /** Flat; of values, or of masters. */
  readonly values?: Tensor;
  /** Of states of an optimizer, by name. */
  readonly states?: Readonly<Record<string, Tensor>>;
}

/** A training state whose every byte was checked against its manifest. */
export interface LoadedTrainingState extends SavedTrainingState {
  readonly config: LlamaConfig;
  readonly counters: Json;
  readonly fingerprints: Readonly<Record<string, string>>;
  /** Names of the states of an optimizer that were saved. */
  readonly states: readonly string[];
  /** Names of the extra files. */
  readonly extraFiles: readonly string[];
  readExtraFile(name: string): Promise<Uint8Array>;
  /** Newer states that were passed over because of damage, and why. */
  readonly damaged: readonly { readonly folder: string; readonly reason: string }[];
  /** Ranks that saved it; 1 where it was saved as a whole. */
  readonly ranks: number;
  /** The base that it was trained over; undefined: it is whole. */
  readonly base: BaseModel | undefined;
  /** Its weights, those of a base left out. */
  readonly checkpoint: Checkpoint;
  /**
   * Values, and every state of an optimizer that the space has, bit for bit. Of a state with a base
   * the space has the base's values already, and `base` says whose they are: another one is
   * refused.
   */
  load(parameters: ParameterSpace, base?: BaseModel): Promise<void>;
  /** A range of the flat spaces, whatever the number of ranks that saved it. */
  loadRange(range: RankRange): Promise<void>;
}
