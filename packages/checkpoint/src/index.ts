export type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from './checkpoint.ts';
export { type HuggingFaceConfig, parseHuggingFaceConfig, toHuggingFaceConfig } from './huggingface/config.ts';
export { saveHuggingFace, type SaveHuggingFaceOptions } from './huggingface/folder.ts';
export { fromHuggingFaceName, toHuggingFaceName } from './names.ts';
export { openCheckpoint } from './open.ts';
export { toAdjacent, toHalfSplit } from './row-order.ts';
export { type FloatDType, type StoredDType } from './safetensors/dtypes.ts';
export { type HeaderTensor, parseHeader, type SafetensorsHeader } from './safetensors/header.ts';
export { SafetensorsFile } from './safetensors/reader.ts';
export { openShards, type ShardOptions, writeModelFiles } from './safetensors/sharded.ts';
export { type TensorToWrite, writeSafetensors } from './safetensors/writer.ts';
export { listTrainingStates } from './training-state/folders.ts';
export { isTrainingState, loadTrainingState } from './training-state/load.ts';
export { saveTrainingState, type SaveTrainingStateResult } from './training-state/save.ts';
export type {
  Json,
  LoadedTrainingState,
  LoadTrainingStateOptions,
  SavedTrainingState,
  SaveTrainingStateOptions,
  TrainingState,
} from './training-state/types.ts';
