export { TokenDataset } from './dataset.ts';
export { defaultExtensions } from './extensions.ts';
export {
  defaultFilters,
  type FilterOptions,
  stripLicenceHeader,
  type TextStatistics,
  textStatistics,
} from './filters.ts';
export { globMatcher } from './globs.ts';
export { Mixture } from './mixture.ts';
export type {
  Batch,
  OpenOptions,
  PreparedSource,
  PrepareOptions,
  PrepareProgress,
  PrepareResult,
  Sample,
  SourceEpochs,
  SourceOptions,
  Split,
  SplitSize,
} from './options.ts';
export { prepare } from './prepare.ts';
export type { CleaningReport, DropReason, Tally } from './report.ts';
export { type UnigramLoss, unigramLoss, type UnigramOptions } from './unigram.ts';
export { readTexts, type TextsOptions } from './texts.ts';
export { findFiles, type FoundFile } from './walk.ts';
