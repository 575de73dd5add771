export { type Abilities, cacheStoreDTypes, weightDTypes } from './abilities.ts';
export { Arena, Region } from './arena.ts';
export { checkKernels } from './checked.ts';
export { DeviceBase, refuseWeight } from './device-base.ts';
export { dequantize } from './dequantize.ts';
export type { CacheTensors, RowContext } from './row-context.ts';
export type { CallMemory, ForeignCall } from './foreign-call.ts';
export { quantizable, type QuantizableDType, quantize } from './quantize/index.ts';
export type { Determinism, Device, DeviceMemory, Recording, StorageId } from './device.ts';
export {
  accumulatorDType,
  byteLength,
  type ComputeDType,
  type DType,
  type DTypeInfo,
  dtypes,
  floatDTypes,
  type HostArray,
  hostView,
} from './dtype.ts';
export { checkOptions, CriaError, errorText, fail, isExplained, nearestName, whatOf } from './errors.ts';
export { FlatMemory, type Stretch } from './flat-memory.ts';
export type { GradientStore, Lend, Loan } from './gradients/store.ts';
export { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16 } from './half.ts';
export {
  type AdamWSettings,
  type AttentionShape,
  IGNORE_TARGET,
  kernelNames,
  type Kernels,
  type LogProbabilityOptions,
  type LossGradients,
  type RopePairing,
  SAMPLE_FAULTS,
  type SampleOptions,
  type SampleRow,
  type VocabularyPart,
} from './kernels.ts';
export { type Initializer, Parameter, type ParameterOptions } from './parameter.ts';
export { type AllocateOptions, ParameterSpace } from './parameter-space.ts';
export type { ParameterPart } from './parts.ts';
export { hashName, normals, permute, philox, type RandomPlace, uniform, uniforms } from './random.ts';
export type { DeviceProvider, ProviderOptions } from './provider.ts';
export { reference, ReferenceDevice, type ReferenceOptions, referenceProvider } from './reference/index.ts';
export { openStep } from './open-step.ts';
export { exponential } from './scores/exponential.ts';
export { keepMinP, keepTopK, keepTopP } from './scores/keep.ts';
export { penalizeSeen, type SeenIds } from './scores/penalties.ts';
export {
  argmax,
  bounded,
  divideScores,
  draw,
  exponentiate,
  keepMasked,
  maxOf,
  scaleByTemperature,
} from './scores/scores.ts';
export { MASTERS, StateSpace } from './state-space.ts';
export { Step } from './step.ts';
export type { PagedCache, Recompute, StepOptions } from './step-options.ts';
export { checkShape, describe, type Shape, sizeOf, Tensor, type TensorPlace } from './tensor.ts';
