export { defaultFilters, type FilterOptions, type TextStatistics, textStatistics } from './filters.ts';
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
export type { CleaningReport, DropReason, Tally } from './report.ts';
