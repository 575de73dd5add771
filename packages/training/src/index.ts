export type { Batch, TrainingSource, ValidationSource } from './batch.ts';
export type { EvaluationReport, SaveReport, SkippedReport, StepReport, TrainingEvent } from './events.ts';
export { flopsPerToken } from './flops.ts';
export { addGradients, type LossSum, sumLosses } from './gradient.ts';
export { measureSpeed, type SpeedMeasurement } from './measure.ts';
export { nextToken } from './objectives/next-token.ts';
export type { Objective } from './objectives/objective.ts';
export { computeDType, type TrainingOptions } from './options.ts';
export { train, Trainer, type TrainingResult } from './trainer.ts';
