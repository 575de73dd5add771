import { fail } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { Cleaner, type CleanDocument } from './clean.ts';
import { cutText } from './cut.ts';
import { failedFilter } from './filters.ts';
import { HeldOut } from './held-out.ts';
import type { ShardEntry } from './manifest.ts';
import type { PreparedSource, PrepareOptions, SourceOptions, Split } from './options.ts';
import type { Progress } from './progress.ts';
import { type CleaningReport, describeDrops, Report } from './report.ts';
import { SplitWriter } from './split-writer.ts';
import type { FoundFile, FoundFiles } from './walk.ts';

/** Below this many tokens a shard is one file. */
const DEFAULT_SHARD_TOKENS = 2 ** 28;

/** A source is full when this share of its byte limit is used: the rest would cost reading all its other files. */
const FULL = 0.95;

/** One source on its way to shards. */
export class SourceJob {
  readonly #source: SourceOptions;
  readonly #options: PrepareOptions;
  readonly #progress: Progress;
  readonly #report = new Report();
  readonly #cleaner: Cleaner;
  readonly #writers: Record<Split, SplitWriter>;
  readonly #heldOut: HeldOut;

  constructor(
    folder: string,
    source: SourceOptions,
    options: PrepareOptions,
    seen: Set<string>,
    progress: Progress,
  ) {
    this.#source = source;
    this.#options = options;
    this.#progress = progress;
    this.#cleaner = new Cleaner(source, seen, this.#report);
    const { vocabSize, bosId, eosId, fingerprint: tokenizerFingerprint } = options.tokenizer;
    const settings = { vocabSize, bosId, eosId, tokenizerFingerprint };
    const writer = (split: Split) =>
      new SplitWriter(folder, source.name, split, settings, options.maxShardTokens ?? DEFAULT_SHARD_TOKENS);
    this.#writers = { train: writer('train'), validation: writer('validation') };
    this.#heldOut = new HeldOut(options.seed ?? 0, options.validationShare ?? 0.01, (split, { text, ids }) =>
      this.#writers[split].add(ids, Buffer.byteLength(text)),
    );
  }

  /** Shards written so far, those to train on first. */
  get shards(): readonly ShardEntry[] {
    return [...this.#writers.train.entries, ...this.#writers.validation.entries];
  }

  /** All files of the source, in the order given. What was written goes where one of them fails. */
  async run({ files, unreadable }: FoundFiles): Promise<PreparedSource> {
    for (const _ of unreadable) this.#report.drop('unreadable', 0);
    try {
      for (const file of files) await this.#addFile(file, false);
      const [first] = files;
      // A limit smaller than any file: better the head of one than nothing.
      if (first && this.#report.keptBytes === 0 && this.#source.maxBytes !== undefined)
        await this.#addFile(first, true);
      this.#heldOut.end();
      this.#writers.train.finish();
      this.#writers.validation.finish();
    } catch (error) {
      this.#writers.train.abandon();
      this.#writers.validation.abandon();
      throw error;
    }
    const { name, weight } = this.#source;
    const report = this.#report.result();
    if (report.kept.count === 0) this.#refuseEmpty(report);
    const { train, validation } = this.#writers;
    return {
      name,
      ...(weight === undefined ? {} : { weight }),
      train: train.size,
      validation: validation.size,
      report,
    };
  }

  /** Says what the documents fell to, since nothing is left of them. */
  #refuseEmpty(report: CleaningReport): never {
    const { name, textField = 'text' } = this.#source;
    const { otherFields } = report;
    const hint =
      otherFields.length > 0
        ? `lines have ${otherFields.map((field) => `"${field}"`).join(', ')} and no text in "${textField}": ` +
          'name the field (textField of a source, --text-field, data.text_field)'
        : 'check the paths, or loosen the filters';
    const what = `nothing is left of ${report.files} files; dropped: ${describeDrops(report)}.`;
    return fail('prepare', `source "${name}": ${what}`, hint);
  }

  async #addFile(file: FoundFile, cut: boolean): Promise<void> {
    await this.#progress.file(this.#source.name, file);
    if (!cut) this.#report.files++;
    const { maxBytes = Infinity } = this.#source;
    const full = this.#report.keptBytes >= FULL * maxBytes;
    // What such a file holds is not its size: its documents are counted one by one.
    const compressed = file.relative.endsWith('.gz') || file.relative.endsWith('.jsonl');
    if (!cut && (full || (!compressed && file.bytes > maxBytes - this.#report.keptBytes)))
      return this.#report.drop('over the byte limit', file.bytes);
    for await (const document of this.#cleaner.documents(file)) {
      if (this.#report.keptBytes >= FULL * maxBytes) break;
      this.#addDocument(document, maxBytes - this.#report.keptBytes, cut);
      await this.#progress.tick();
    }
  }

  /** `room`: bytes that the source still takes; a text that does not fit is left out, or cut. */
  #addDocument({ text, filters }: CleanDocument, room: number, cut: boolean): void {
    const kept = cut ? headOf(text, room) : text;
    const bytes = Buffer.byteLength(kept);
    if (bytes > room) return this.#report.drop('over the byte limit', bytes);
    const parts = cutText(kept, this.#options.maxDocumentLength ?? 65536);
    const documents = parts.map((part) => ({
      text: part,
      ids: encodeDocument(this.#options.tokenizer, part),
    }));
    const tokens = documents.reduce((sum, { ids }) => sum + ids.length, 0);
    const failed = filters.minLettersPerToken > 0 ? failedFilter(kept, filters, tokens) : undefined;
    if (failed) return this.#report.drop(failed, bytes);
    this.#report.keep(bytes);
    for (const document of documents) this.#heldOut.add(document);
    this.#progress.add(documents.length, tokens);
  }
}

/** BOS, the ids of the text, EOS; what the vocabulary has of them. */
function encodeDocument(tokenizer: Tokenizer, text: string): Int32Array {
  return tokenizer.encode(text, {
    addBos: tokenizer.bosId !== undefined,
    addEos: tokenizer.eosId !== undefined,
  });
}

/** At most so many bytes of a text, up to a line end if there is one. */
function headOf(text: string, maxBytes: number): string {
  const head = new TextDecoder()
    .decode(Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes))
    .replace(/\ufffd$/, '');
  return head.slice(0, head.lastIndexOf('\n') + 1) || head;
}
