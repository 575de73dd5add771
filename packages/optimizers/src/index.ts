export { AdamW, type AdamWOptions } from './adamw.ts';
export { clipFactor, gradientNorm, nonFiniteGradients } from './gradients.ts';
export type { Optimizer, OptimizerCounters, OptimizerFactory, Update } from './optimizer.ts';
export { type Range, trainableRanges } from './ranges.ts';
export {
  constantSchedule,
  type ConstantScheduleOptions,
  cosineSchedule,
  type CosineScheduleOptions,
  linearSchedule,
  type LinearScheduleOptions,
  type Schedule,
  wsdSchedule,
  type WsdScheduleOptions,
} from './schedules.ts';
