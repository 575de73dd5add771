export { checkName, checkNumber } from './check.ts';
export { helpLines } from './help.ts';
export type { Option, Options, Takes, Values } from './option.ts';
export { readOptions } from './read.ts';
