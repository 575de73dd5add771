export type { Checkpoint, CheckpointFormat, SpecialIds, TensorInfo } from './checkpoint.ts';
export { type HuggingFaceConfig, parseHuggingFaceConfig, toHuggingFaceConfig } from './huggingface/config.ts';
export { saveHuggingFace, type SaveHuggingFaceOptions } from './huggingface/folder.ts';
export { fromHuggingFaceName, toHuggingFaceName } from './names.ts';
export { type InferenceModel, type InferenceModelOptions, loadForInference } from './inference-model.ts';
export { openCheckpoint } from './open.ts';
export { findTokenizer, openModel, type OpenedModel, type OpenModelOptions } from './served-model.ts';
export { toAdjacent, toHalfSplit } from './row-order.ts';
export { type FloatDType, type StoredDType } from './safetensors/dtypes.ts';
export { type HeaderTensor, parseHeader, type SafetensorsHeader } from './safetensors/header.ts';
export { SafetensorsFile } from './safetensors/reader.ts';
export { openShards, type ShardOptions, writeModelFiles } from './safetensors/sharded.ts';
export { type TensorToWrite, writeSafetensors } from './safetensors/writer.ts';
export { listTrainingStates } from './training-state/folders.ts';
export { isTrainingState, loadTrainingState } from './training-state/load.ts';
export { type RankGroup, type RankState, saveTrainingStateByRanks } from './training-state/ranks.ts';
export { saveTrainingState } from './training-state/save.ts';
export type { SaveTrainingStateResult } from './training-state/write.ts';
export type {
  Json,
  LoadedTrainingState,
  LoadTrainingStateOptions,
  RankRange,
  SavedTrainingState,
  SaveTrainingStateOptions,
  TrainingState,
} from './training-state/types.ts';
export type { BlockDType, WeightDType } from './dtypes.ts';
export { fromGgufName, toGgufName } from './names.ts';
export { GgufFile } from './gguf/reader.ts';
export type { GgufTensor } from './gguf/tensors.ts';
export { type GgufTensorToWrite, writeGguf } from './gguf/writer.ts';
export { type Mix, mixDType, mixes } from './gguf/mix.ts';
export { ropeDivisors } from './gguf/rope-freqs.ts';
export { PthFile, type PthTensor } from './meta/pth-file.ts';
export { readPickle } from './meta/pickle-reader.ts';
export { parseMetaParams, toMetaParams } from './meta/params.ts';
export { type ConversionTarget, type ConvertOptions, type Vocabulary } from './conversion/conversion.ts';
export { convertCheckpoint, planConversion } from './conversion/plan.ts';
export type { Output, OutputFile } from './conversion/output.ts';
export { type BlockError, plainQuantizer, type Quantized, type Quantizer } from './quantizer.ts';
export type { NotFinite, NotFiniteReport } from './not-finite.ts';
export type { QuantizedDType, WeightReport } from './weight-form.ts';
export { readImportance } from './importance.ts';
export type { LoraAdapter, LoraFactors } from './lora/adapter.ts';
export { mergeLora } from './lora/merge.ts';
export { readLora } from './lora/read.ts';
export { writeLora, type WriteLoraOptions } from './lora/write.ts';
export { BackgroundSaver } from './training-state/background.ts';
export { planReshard, type ReshardOptions, type ReshardPiece, shardOf } from './training-state/reshard.ts';
export { type MapOptions, type MappedWeights, mapWeights } from './map.ts';
