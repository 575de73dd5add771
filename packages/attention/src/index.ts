export { AttentionError } from './errors.ts';
export { attention, attentionGrad } from './oracle.ts';
export { flashAttention, flashForward } from './flash.ts';
export { flashAttentionGrad, flashBackward } from './flash-grad.ts';
export { pagedAttention, pagedForward, writeCache } from './paged.ts';
export { KEY_CHUNK } from './tile.ts';
export type {
  AttentionGradients,
  AttentionOptions,
  AttentionResult,
  FloatArray,
  HeadOptions,
  OracleOptions,
  PagedOptions,
  Problem,
} from './types.ts';
