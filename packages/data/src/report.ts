/** Why a file or document was left out. */
export type DropReason =
  | 'binary'
  | 'invalid UTF-8'
  | 'too large'
  /** A line that is no JSON. */
  | 'malformed'
  /** A line of JSON without a text in the field where texts are looked for. */
  | 'no text in its field'
  /** An entry of a folder that could not be looked at: a link to a place that may not be entered, say. */
  | 'unreadable'
  | 'empty'
  | 'duplicate'
  | 'licence file'
  | 'long line'
  | 'long mean line'
  | 'few alphanumerics'
  | 'few letters per token'
  | 'over the byte limit';

export interface Tally {
  readonly count: number;
  readonly bytes: number;
}

/** What cleaning did to a source. */
export interface CleaningReport {
  readonly files: number;
  readonly kept: Tally;
  readonly dropped: Readonly<Partial<Record<DropReason, Tally>>>;
  /** The first lines that were malformed or had no text in its field, to look at. */
  readonly malformed: readonly string[];
  /** Fields of the lines that had no text in its field, those that hold texts where there are any. */
  readonly otherFields: readonly string[];
}

/** Places, and fields, that a report names. */
const MOST_NAMED = 5;

/** Counts while a source is read. */
export class Report {
  files = 0;
  #kept = { count: 0, bytes: 0 };
  #dropped = new Map<DropReason, { count: number; bytes: number }>();
  #malformed: string[] = [];
  #otherFields = new Set<string>();

  get keptBytes(): number {
    return this.#kept.bytes;
  }

  keep(bytes: number): void {
    this.#kept.count++;
    this.#kept.bytes += bytes;
  }

  drop(reason: DropReason, bytes: number, where?: string): void {
    const tally = this.#dropped.get(reason) ?? { count: 0, bytes: 0 };
    this.#dropped.set(reason, { count: tally.count + 1, bytes: tally.bytes + bytes });
    if (where !== undefined && this.#malformed.length < MOST_NAMED) this.#malformed.push(where);
  }

  /** Remembers what a line has instead of a text in its field. */
  noteFields(line: unknown): void {
    if (typeof line !== 'object' || line === null || Array.isArray(line)) return;
    const entries = Object.entries(line);
    const texts = entries.filter(([, value]) => typeof value === 'string');
    for (const [name] of texts.length > 0 ? texts : entries)
      if (this.#otherFields.size < MOST_NAMED) this.#otherFields.add(name);
  }

  result(): CleaningReport {
    const dropped = Object.fromEntries([...this.#dropped].sort(([a], [b]) => (a < b ? -1 : 1)));
    const [malformed, otherFields] = [[...this.#malformed], [...this.#otherFields]];
    return { files: this.files, kept: { ...this.#kept }, dropped, malformed, otherFields };
  }
}

/** `3 binary (1,024 bytes), 2 duplicate (99 bytes)`, for messages. */
export function describeDrops(report: CleaningReport): string {
  const parts = Object.entries(report.dropped).map(
    ([reason, { count, bytes }]) => `${count} ${reason} (${bytes} bytes)`,
  );
  return parts.length > 0 ? parts.join(', ') : 'nothing';
}
