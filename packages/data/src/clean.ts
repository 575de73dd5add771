import { basename } from 'node:path';
import { contentHash } from './content-hash.ts';
import { type Document, readDocuments } from './documents.ts';
import { isCode } from './extensions.ts';
import {
  defaultFilters,
  failedFilter,
  type FilterOptions,
  isLicenceFile,
  stripLicenceHeader,
} from './filters.ts';
import type { SourceOptions } from './options.ts';
import type { Report } from './report.ts';
import type { FoundFile } from './walk.ts';

export interface CleanDocument {
  readonly text: string;
  readonly filters: Required<FilterOptions>;
}

/** A file is held in memory as a whole. */
const DEFAULT_MAX_FILE_BYTES = 64 * 2 ** 20;

/** The documents of a source that pass its filters and were not seen before, in any source that shares `seen`. */
export class Cleaner {
  readonly report: Report;
  readonly #source: SourceOptions;
  readonly #seen: Set<string>;

  constructor(source: SourceOptions, seen: Set<string>, report: Report) {
    this.#source = source;
    this.#seen = seen;
    this.report = report;
  }

  /** What is left of a file; what is not, the report counts by its reason. */
  async *documents(file: FoundFile): AsyncGenerator<CleanDocument> {
    const { maxFileBytes = DEFAULT_MAX_FILE_BYTES, textField = 'text', filters: wished } = this.#source;
    const filters = { ...(isCode(file.relative) ? defaultFilters.code : defaultFilters.text), ...wished };
    if (filters.dropLicenceFiles && isLicenceFile(basename(file.relative)))
      return this.report.drop('licence file', file.bytes);
    for await (const document of readDocuments(file, { maxFileBytes, textField }, this.report)) {
      const text = this.#clean(document, filters);
      if (text !== undefined) yield { text, filters };
    }
  }

  #clean({ text, bytes }: Document, filters: Required<FilterOptions>): string | undefined {
    const cleaned = filters.stripLicenceHeader ? stripLicenceHeader(text) : text;
    if (cleaned.trim() === '') return void this.report.drop('empty', bytes);
    const failed = failedFilter(cleaned, filters);
    if (failed) return void this.report.drop(failed, bytes);
    // Hashed after cleaning, so that copies with other licence headers are one text.
    const hash = contentHash(cleaned);
    if (this.#seen.has(hash)) return void this.report.drop('duplicate', bytes);
    this.#seen.add(hash);
    return cleaned;
  }
}
