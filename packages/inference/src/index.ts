export { Engine, type EngineOptions, type TextEmbedRequest } from './text/engine.ts';
export { EngineCore, type EngineStats } from './engine/engine-core.ts';
export {
  type EngineCoreOptions,
  engineCoreOptions,
  type EngineLimits,
  type Speculation,
} from './engine/options.ts';
export { collect, generate, type GeneratedText, type GenerateOptions } from './text/generate.ts';
export { type FinishReason, type GenerationChunk, Output } from './text/output.ts';
export { RequestError, type RequestErrorCode } from './request-error.ts';
export {
  type GenerationOptions,
  type GenerationRequest,
  type ResolvedText,
  resolveText,
} from './text/text-request.ts';
export { type SamplerName, samplerNames, type SamplerOrder, samplerOrders } from './sample/order.ts';
export {
  resolveSampling,
  type Sampling,
  samplingBounds,
  type SamplingContext,
  type SamplingOptions,
} from './sample/options.ts';
export { breakerLimits } from './sample/dry-breakers.ts';
export { type Rules, Sampler } from './sample/sampler.ts';
export type { History } from './sample/stage.ts';
export type { EmbedRequest, IdRequest, Standing } from './sequence/id-request.ts';
export type { Embedding, IdChunk, IdFinish, Reader, Usage } from './sequence/results.ts';
export type { Constraint } from './sequence/constraint.ts';
export { logProbabilitiesOf, type TokenLogProbability } from './sequence/log-probabilities.ts';
export { Pooling, type PoolKind, poolKinds } from './sequence/pooling.ts';
export { type CacheDType, cacheDTypes } from './cache/key-value-blocks.ts';
export { BlockPool } from './cache/block-pool.ts';
export { BlockCache } from './cache/block-cache.ts';
export { PrefixIndex } from './cache/prefix-index.ts';
export { Scheduler, type SchedulerOptions, type Turn } from './schedule/scheduler.ts';
export { WaitingQueue } from './schedule/queue.ts';
export { NgramProposer, type Proposer } from './speculate/proposer.ts';
export { Sequence, type SequenceOptions } from './sequence/sequence.ts';
export { encodePrompt, type EncodedPrompt, LONG_PROMPT, PromptReader } from './text/prompt.ts';
export { StopStrings, stopLimits } from './text/stop-strings.ts';
export { TextAssembler } from './text/text-assembler.ts';
export { TextReader, type TextReaderOptions } from './text/text-reader.ts';
