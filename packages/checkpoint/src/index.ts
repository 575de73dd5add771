export type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from './checkpoint.ts';
export { type FloatDType, type StoredDType } from './safetensors/dtypes.ts';
export type {
  Json,
  LoadedTrainingState,
  LoadTrainingStateOptions,
  SavedTrainingState,
  SaveTrainingStateOptions,
  TrainingState,
} from './training-state/types.ts';
