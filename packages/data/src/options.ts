import type { Tokenizer } from '@cria/tokenizer';
import type { FilterOptions } from './filters.ts';
import type { CleaningReport, DropReason } from './report.ts';

/** One body of text. Its files are read in sorted order, or, with `maxBytes`, in an order hashed from the seed. */
export interface SourceOptions {
  /** Names shards and mixture weights: letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** Files and folders. A file named here is read whatever its extension; folders are walked. */
  readonly paths: readonly string[];
  /**
   * Share in the training mixture, relative to the other sources. Give one to all sources or to
   * none (none: each token once an epoch).
   */
  readonly weight?: number;
  /**
   * Extensions to read in folders, without the dot. Default: text, Markdown, code, `jsonl` and
   * `jsonl.gz` (`defaultExtensions`).
   */
  readonly extensions?: readonly string[];
  /**
   * Globs over the path below its folder (`src/**`, `*.md`: a pattern without `/` matches the
   * name). Default: everything.
   */
  readonly include?: readonly string[];
  /** Globs of what to leave out, folders too. */
  readonly exclude?: readonly string[];
  /** Enter folders called `node_modules`. Default: only where the given path lies inside one. */
  readonly nodeModules?: boolean;
  /** At most so many bytes of text are kept, from files in an order hashed from the seed. Default: no limit. */
  readonly maxBytes?: number;
  /** Larger files (and longer lines of JSONL) are skipped and counted. Default 64 MiB. */
  readonly maxFileBytes?: number;
  /** Field of a JSONL line that holds the text. Default `text`. */
  readonly textField?: string;
  /** Filters for all files of the source. Default: those of GitHub for code, none for text (`defaultFilters`). */
  readonly filters?: FilterOptions;
}

export interface PrepareOptions {
  readonly sources: readonly SourceOptions[];
  readonly tokenizer: Tokenizer;
  /** Folder of the dataset; made anew as a whole. Refused when it holds anything that is not a dataset. */
  readonly out: string;
  /** Chooses held-out documents and the order of files under `maxBytes`. Default 0. */
  readonly seed?: number;
  /**
   * Share of documents held out, 0 to 0.5. Each source of two documents or more holds out at least
   * one. Default 0.01.
   */
  readonly validationShare?: number;
  /**
   * Longer documents are cut, at a line end where one is near, into documents of at most so many
   * UTF-16 units. Default 65,536.
   */
  readonly maxDocumentLength?: number;
  /** Tokens after which a new shard begins. Default 2^28. */
  readonly maxShardTokens?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PrepareProgress {
  readonly source: string;
  /** Files read, and all files found, of all sources. */
  readonly files: number;
  readonly totalFiles: number;
  /** Bytes of the files read and of all files found. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly documents: number;
  readonly tokens: number;
}

export interface SplitSize {
  readonly documents: number;
  readonly tokens: number;
  /** UTF-8 bytes of text behind the tokens. */
  readonly bytes: number;
}

export interface PreparedSource {
  readonly name: string;
  readonly weight?: number;
  readonly train: SplitSize;
  readonly validation: SplitSize;
  readonly report: CleaningReport;
}

export interface PrepareResult {
  readonly folder: string;
  /** Hash of all tokens and their order: equal for equal data. */
  readonly fingerprint: string;
  readonly tokenizerFingerprint: string;
  readonly sources: readonly PreparedSource[];
}

export type Split = 'train' | 'validation';

export interface OpenOptions {
  readonly split: Split;
  /** T, tokens a sample. */
  readonly contextLength: number;
  /** Seed of the order of samples. Default 0. */
  readonly seed?: number;
  /** Refuse a dataset made by another tokenizer. */
  readonly tokenizerFingerprint?: string;
  /** Mixture weights by source name, instead of the prepared ones; 0 leaves a source out. Training split only. */
  readonly weights?: Readonly<Record<string, number>>;
}

/** One training sequence of T tokens. */
export interface Sample {
  /** [T] */
  readonly tokens: Int32Array;
  /** What each position must predict; −100 counts nothing.                                       [T] */
  readonly targets: Int32Array;
  /** First row of each document (or part of one), and T at the end; attention stays inside.      [S + 1] */
  readonly segments: Int32Array;
}

/** Several samples end to end: rows = size · T. */
export interface Batch extends Sample {
  readonly rows: number;
}

export interface SourceEpochs {
  readonly name: string;
  /** Samples drawn so far, and samples in one epoch. */
  readonly drawn: number;
  readonly samples: number;
  readonly epochs: number;
}

export type { CleaningReport, DropReason, FilterOptions };
