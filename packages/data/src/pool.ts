import { lowerBound, packWindow } from './packing.ts';
import type { Sample } from './options.ts';
import type { ShardReader } from './shard-reader.ts';

/** The windows of one or more shards, numbered through. Windows do not cross from one shard into the next. */
export class Pool {
  readonly name: string;
  readonly windows: number;
  readonly tokens: number;
  readonly #shards: readonly ShardReader[];
  readonly #contextLength: number;
  /** First window of each shard. */
  readonly #first: readonly number[];

  constructor(name: string, shards: readonly ShardReader[], contextLength: number) {
    const first: number[] = [];
    let windows = 0;
    for (const { header } of shards) {
      first.push(windows);
      windows += Math.ceil(header.tokens / contextLength);
    }
    this.name = name;
    this.windows = windows;
    this.tokens = shards.reduce((sum, { header }) => sum + header.tokens, 0);
    this.#shards = shards;
    this.#contextLength = contextLength;
    this.#first = first;
  }

  window(index: number): Sample {
    const which = lowerBound(this.#first, index + 1) - 1;
    const shard = this.#shards[which];
    if (!shard) throw new RangeError(`window ${index} of ${this.windows}`); // callers draw below `windows`
    const T = this.#contextLength;
    const begin = (index - (this.#first[which] ?? 0)) * T;
    const end = Math.min(begin + T + 1, shard.header.tokens);
    const starts: number[] = [];
    for (let i = lowerBound(shard.starts, begin); (shard.starts[i] ?? Infinity) < end; i++)
      starts.push((shard.starts[i] ?? 0) - begin);
    const { eosId, bosId } = shard.header;
    return packWindow({ tokens: shard.tokens(begin, end), starts }, T, eosId ?? bosId ?? 0);
  }

  close(): void {
    for (const shard of this.#shards) shard.close();
  }
}
