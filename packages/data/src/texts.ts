import { Cleaner } from './clean.ts';
import type { SourceOptions } from './options.ts';
import { Report } from './report.ts';
import { type FoundFile, findFiles } from './walk.ts';

export interface TextsOptions {
  /** Chooses files where a source or this has a byte limit. Default 0. */
  readonly seed?: number;
  /** About so many bytes of text, from each source in proportion to its files. Default: all. */
  readonly maxBytes?: number;
}

/** The cleaned documents of sources, as `prepare` would keep them, one after another: to train a tokenizer on. */
export async function* readTexts(
  sources: readonly SourceOptions[],
  options: TextsOptions = {},
): AsyncGenerator<string> {
  const { seed = 0, maxBytes = Infinity } = options;
  // A source without a limit of its own still gets the hashed order, or the limit here would take
  // the first folders only.
  const found = sources.map((source) => ({ source, files: findFiles({ maxBytes, ...source }, seed) }));
  const offered = found.map(({ source, files }) => Math.min(source.maxBytes ?? Infinity, bytesOf(files)));
  const share = Math.min(1, maxBytes / offered.reduce((sum, bytes) => sum + bytes, 0));
  const seen = new Set<string>();
  for (const [i, { source, files }] of found.entries()) {
    yield* firstTexts(new Cleaner(source, seen, new Report()), files, (offered[i] ?? 0) * share);
  }
}

async function* firstTexts(
  cleaner: Cleaner,
  files: readonly FoundFile[],
  bytes: number,
): AsyncGenerator<string> {
  let left = bytes;
  for (const file of files) {
    if (left <= 0) return;
    for await (const { text } of cleaner.documents(file)) {
      left -= Buffer.byteLength(text);
      yield text;
    }
  }
}

function bytesOf(files: readonly FoundFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
