/**
 * The formats by themselves, and the parts of conversion and of training states that few programs
 * need by name.
 */
export type { BlockDType, NumericDType, WeightDType } from './dtypes.ts';
export { type HuggingFaceConfig, parseHuggingFaceConfig, toHuggingFaceConfig } from './huggingface/config.ts';
export { fromGgufName, fromHuggingFaceName, toGgufName, toHuggingFaceName } from './names.ts';
export { toAdjacent, toHalfSplit } from './row-order.ts';

export type { StoredDType } from './safetensors/dtypes.ts';
export { type HeaderTensor, parseHeader, type SafetensorsHeader } from './safetensors/header.ts';
export { SafetensorsFile } from './safetensors/reader.ts';
export { openShards, type ShardOptions, writeModelFiles } from './safetensors/sharded.ts';
export { type TensorToWrite, writeSafetensors } from './safetensors/writer.ts';

export { GgufFile } from './gguf/reader.ts';
export type { GgufTensor } from './gguf/tensors.ts';
export { type GgufTensorToWrite, writeGguf } from './gguf/writer.ts';
export { type Mix, mixDType, mixes } from './gguf/mix.ts';
export { ropeDivisors } from './gguf/rope-freqs.ts';

export { PthFile } from './meta/pth-file.ts';
export type { PthTensor } from './meta/pth-tensor.ts';
export { readPickle } from './meta/pickle-reader.ts';
export { parseMetaParams, toMetaParams } from './meta/params.ts';

export type { Output, OutputFile } from './conversion/output.ts';
export { planConversion } from './conversion/plan.ts';
export { type BlockError, plainQuantizer, type Quantized, type Quantizer } from './quantizer.ts';
export type { NotFinite } from './not-finite.ts';
export type { LoraFactors } from './lora/adapter.ts';
export type { WriteLoraOptions } from './lora/write.ts';

export { isTrainingState } from './training-state/load.ts';
export type { RankState } from './training-state/ranks.ts';
export { planReshard, type ReshardOptions, type ReshardPiece, shardOf } from './training-state/reshard.ts';
export type {
  Json,
  LoadTrainingStateOptions,
  RankRange,
  SavedTrainingState,
} from './training-state/types.ts';
