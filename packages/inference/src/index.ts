export { Engine, type EngineOptions, type EngineStats } from './engine.ts';
export {
  argmax,
  keepMinP,
  keepTopK,
  keepTopP,
  penalizeGenerated,
  penalizeRepetition,
  scaleByTemperature,
} from './filters.ts';
export { collect, generate, type GeneratedText, type GenerateOptions } from './generate.ts';
export { type FinishReason, type GenerationChunk, Output, type Usage } from './output.ts';
export { RequestError, type RequestErrorCode } from './request-error.ts';
export type { GenerationOptions, GenerationRequest } from './request.ts';
export {
  type History,
  repetitionPenaltyBounds,
  resolveSampling,
  Sampler,
  type Sampling,
  type SamplingOptions,
} from './sampling.ts';
export { type CacheDType, cacheDTypes } from './key-value-blocks.ts';
export { BlockPool } from './block-pool.ts';
export { Scheduler, type SchedulerOptions, type Turn } from './scheduler.ts';
export { Sequence } from './sequence.ts';
export { encodePrompt, type EncodedPrompt, LONG_PROMPT } from './prompt.ts';
export { StopStrings, stopLimits } from './stop-strings.ts';
export { TextAssembler } from './text-assembler.ts';
export { type Perplexity, perplexity } from './perplexity.ts';
