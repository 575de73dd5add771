export { type BaseModel, baseModelOf } from './base-model.ts';
export type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from './checkpoint.ts';
export { openCheckpoint } from './open.ts';
export { findTokenizer, openModel, type OpenedModel, type OpenModelOptions } from './served-model.ts';

export { type InferenceModel, type InferenceModelOptions, loadForInference } from './inference-model.ts';
export { type MapOptions, type MappedWeights, mapWeights } from './map.ts';
export { describeNotFinite, type NotFiniteReport } from './not-finite.ts';

export type { ConversionTarget, ConvertOptions, Vocabulary } from './conversion/conversion.ts';
export { convertCheckpoint } from './conversion/plan.ts';
export type { WeightReport } from './weight-form.ts';
export { readImportance } from './importance.ts';
export { saveHuggingFace, type SaveHuggingFaceOptions } from './huggingface/folder.ts';

export type { LoraAdapter } from './lora/adapter.ts';
export { mergeLora } from './lora/merge.ts';
export { readLora } from './lora/read.ts';
export { writeLora } from './lora/write.ts';

export { BackgroundSaver } from './training-state/background.ts';
export { listTrainingStates } from './training-state/folders.ts';
export { loadTrainingState } from './training-state/load.ts';
export type { RankGroup } from './training-state/group.ts';
export { saveTrainingStateByRanks } from './training-state/ranks.ts';
export { saveTrainingState } from './training-state/save.ts';
export type { LoadedTrainingState, SaveTrainingStateOptions, TrainingState } from './training-state/types.ts';
export type { SaveTrainingStateResult } from './training-state/write.ts';
