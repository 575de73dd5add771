export { AdamW, type AdamWOptions, type AdamWState, type UpdateOptions } from './adamw.ts';
export { checkFinite, clipFactor, type FiniteCheck, gradientNorm, nonFiniteGradients } from './gradients.ts';
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
export { SpikeDetector } from './spike-detector.ts';
