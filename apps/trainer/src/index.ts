export { checkConfig, loadConfig, printConfig } from './config/load.ts';
export { type Config, ConfigSchema } from './config/schema.ts';
export { type Context } from './command.ts';
export { type LossHistory, readHistory, type StepMetric } from './metrics/metrics.ts';
export { main } from './program.ts';
export { runPipeline, type RunOutcome } from './run/pipeline.ts';
export { terminalCurve } from './show/curve.ts';
export { lossCurveSvg } from './show/svg.ts';
