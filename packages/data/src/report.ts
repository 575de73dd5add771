/** Why a file or document was left out. */
export type DropReason =
  | 'binary'
  | 'invalid UTF-8'
  | 'too large'
  | 'malformed'
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
  /** The first lines or files that were malformed, to look at. */
  readonly malformed: readonly string[];
}

/** Counts while a source is read. */
export class Report {
  files = 0;
  #kept = { count: 0, bytes: 0 };
  #dropped = new Map<DropReason, { count: number; bytes: number }>();
  #malformed: string[] = [];

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
    if (where !== undefined && this.#malformed.length < 5) this.#malformed.push(where);
  }

  result(): CleaningReport {
    const dropped = Object.fromEntries([...this.#dropped].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { files: this.files, kept: { ...this.#kept }, dropped, malformed: [...this.#malformed] };
  }
}

/** `3 binary (1,024 bytes), 2 duplicate (99 bytes)`, for messages. */
export function describeDrops(report: CleaningReport): string {
  const parts = Object.entries(report.dropped).map(
    ([reason, { count, bytes }]) => `${count} ${reason} (${bytes} bytes)`,
  );
  return parts.length > 0 ? parts.join(', ') : 'nothing';
}
