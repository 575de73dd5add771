import { join } from 'node:path';
import type { ShardEntry } from './manifest.ts';
import type { Split, SplitSize } from './options.ts';
import { type ShardSettings, ShardWriter } from './shard-writer.ts';

/** Writes the documents of one source and split into shards of limited size. */
export class SplitWriter {
  readonly entries: ShardEntry[] = [];
  readonly #folder: string;
  readonly #source: string;
  readonly #split: Split;
  readonly #settings: ShardSettings;
  readonly #maxTokens: number;
  #shard: ShardWriter | undefined;
  #size = { documents: 0, tokens: 0, bytes: 0 };

  constructor(folder: string, source: string, split: Split, settings: ShardSettings, maxTokens: number) {
    this.#folder = folder;
    this.#source = source;
    this.#split = split;
    this.#settings = settings;
    this.#maxTokens = maxTokens;
  }

  get size(): SplitSize {
    return { ...this.#size };
  }

  add(ids: Int32Array, textBytes: number): void {
    if (this.#shard && this.#shard.tokens + ids.length > this.#maxTokens) this.#finishShard();
    this.#shard ??= new ShardWriter(join(this.#folder, this.#nextName()), this.#settings);
    this.#shard.add(ids);
    this.#size.documents++;
    this.#size.tokens += ids.length;
    this.#size.bytes += textBytes;
  }

  finish(): void {
    this.#finishShard();
  }

  /** Lets go of an unfinished file. */
  abandon(): void {
    this.#shard?.close();
    this.#shard = undefined;
  }

  #nextName(): string {
    return `${this.#source}-${this.#split}-${String(this.entries.length).padStart(5, '0')}.tokens`;
  }

  #finishShard(): void {
    if (!this.#shard) return;
    const file = this.#nextName();
    const written = this.#shard.finish();
    this.#shard = undefined;
    this.entries.push({ file, source: this.#source, split: this.#split, ...written });
  }
}
