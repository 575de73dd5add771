export type { Check, ConformanceOptions, CreateDevice } from './checks.ts';
export { conformanceFailures, describeDevice } from './describe.ts';
