import { join } from 'node:path';
import { checkOptions, fail, hashName, nearestName, permute } from '@cria/tensor';
import { type Manifest, readManifest } from './manifest.ts';
import { Mixture } from './mixture.ts';
import type { Batch, OpenOptions, Sample, SourceEpochs, Split } from './options.ts';
import { Pool } from './pool.ts';
import { shardBytes } from './shard-format.ts';
import { ShardReader } from './shard-reader.ts';

const op = 'TokenDataset.open';

/**
 * The samples of a prepared dataset, in an order that is a pure function of seed and weights:
 * sample n is the same whoever asks, whenever. So the position of a training run is one number, and
 * nothing else has to be saved.
 *
 * Without weights all windows form one pool that is drawn without repetition, then again in another
 * order: each token once an epoch. With weights each source is a pool with epochs of its own, and a
 * `Mixture` says which one sample n comes from. The validation split has one fixed order and no
 * weights; its first k samples are a fair choice of all.
 */
export class TokenDataset implements Disposable {
  readonly split: Split;
  readonly contextLength: number;
  /** Hash of all tokens of all splits. */
  readonly fingerprint: string;
  readonly tokenizerFingerprint: string;
  readonly vocabSize: number;
  /** Windows of T tokens in this split: one epoch of it, if there are no weights. */
  readonly samples: number;
  readonly tokens: number;
  /** UTF-8 bytes of the text behind the tokens: for bits per byte. */
  readonly textBytes: number;
  readonly #seed: number;
  readonly #pools: readonly Pool[];
  readonly #mixture: Mixture;

  private constructor(folder: string, manifest: Manifest, options: OpenOptions) {
    const { split, contextLength, seed = 0 } = options;
    this.split = split;
    this.contextLength = contextLength;
    this.fingerprint = manifest.fingerprint;
    this.tokenizerFingerprint = manifest.tokenizerFingerprint;
    this.vocabSize = manifest.vocabSize;
    this.#seed = seed;
    const weights = split === 'train' ? weightsOf(manifest, options.weights) : undefined;
    this.#pools = openPools(folder, manifest, split, contextLength, weights);
    this.#mixture = new Mixture(weights ? this.#pools.map(({ name }) => weights.get(name) ?? 0) : [1]);
    this.samples = this.#pools.reduce((sum, { windows }) => sum + windows, 0);
    this.tokens = this.#pools.reduce((sum, { tokens }) => sum + tokens, 0);
    const used = manifest.sources.filter(({ name }) => !weights || (weights.get(name) ?? 0) > 0);
    this.textBytes = used.reduce((sum, source) => sum + source[split].bytes, 0);
  }

  /**
   * Opens one split. Throws on a folder that was not prepared, data of another tokenizer, shards
   * that are missing, cut or damaged, unknown source names in `weights`, and a split without
   * tokens.
   */
  static async open(folder: string, options: OpenOptions): Promise<TokenDataset> {
    checkOptions(op, options, ['split', 'contextLength', 'seed', 'tokenizerFingerprint', 'weights']);
    const { split, contextLength, seed = 0, tokenizerFingerprint } = options;
    if (split !== 'train' && split !== 'validation')
      fail(op, `split is ${JSON.stringify(split)}.`, 'give "train" or "validation"');
    if (!Number.isSafeInteger(contextLength) || contextLength < 1)
      fail(op, `contextLength is ${contextLength}.`, 'give a whole number from 1');
    if (!Number.isSafeInteger(seed) || seed < 0) fail(op, `seed is ${seed}.`, 'give a whole number from 0');
    const manifest = readManifest(folder);
    if (tokenizerFingerprint !== undefined && tokenizerFingerprint !== manifest.tokenizerFingerprint) {
      fail(
        op,
        `${folder} was made by tokenizer ${manifest.tokenizerFingerprint}, the model has ${tokenizerFingerprint}.`,
        'prepare the data again with the tokenizer of the model',
      );
    }
    return new TokenDataset(folder, manifest, options);
  }

  /** Sample n, n ≥ 0: T tokens, targets, segments. Throws if the part of a shard it lies in is damaged. */
  sample(n: number): Sample {
    if (!Number.isSafeInteger(n) || n < 0)
      fail('dataset.sample', `sample ${n} does not exist.`, 'give a whole number from 0');
    const { source, draw } = this.#mixture.at(n);
    const pool = this.#pools[source];
    if (!pool) return fail('dataset.sample', `there is no pool ${source}.`);
    const epoch = this.split === 'train' ? Math.floor(draw / pool.windows) : 0;
    return pool.window(
      permute(draw % pool.windows, pool.windows, this.#seed, hashName(`${pool.name}/${epoch}`)),
    );
  }

  /** Samples n to n + size − 1 end to end: rows = size · T. */
  batch(n: number, size: number): Batch {
    if (!Number.isSafeInteger(size) || size < 1)
      fail('dataset.batch', `a batch of ${size} samples does not exist.`, 'give a whole number from 1');
    const T = this.contextLength;
    const rows = size * T;
    const tokens = new Int32Array(rows);
    const targets = new Int32Array(rows);
    const segments: number[] = [];
    for (let i = 0; i < size; i++) {
      const sample = this.sample(n + i);
      tokens.set(sample.tokens, i * T);
      targets.set(sample.targets, i * T);
      for (const start of sample.segments.subarray(0, -1)) segments.push(i * T + start);
    }
    return { rows, tokens, targets, segments: Int32Array.from([...segments, rows]) };
  }

  /** How often each pool was gone through after n samples. */
  epochs(n: number): SourceEpochs[] {
    return this.#pools.map(({ name, windows }, i) => {
      const drawn = this.#mixture.drawn(i, n);
      return { name, drawn, samples: windows, epochs: drawn / windows };
    });
  }

  /** All windows once, in the order of the files: for statistics. */
  *windows(): Generator<Sample> {
    for (const pool of this.#pools) for (let i = 0; i < pool.windows; i++) yield pool.window(i);
  }

  /** Closes the files. */
  close(): void {
    for (const pool of this.#pools) pool.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Mixture weights by source: those asked for, else those prepared, else none. */
function weightsOf(
  manifest: Manifest,
  asked: OpenOptions['weights'],
): ReadonlyMap<string, number> | undefined {
  const names = manifest.sources.map(({ name }) => name);
  if (asked) {
    for (const name of Object.keys(asked)) {
      if (names.includes(name)) continue;
      const nearest = nearestName(name, names);
      fail(
        op,
        `weights name "${name}", the data has ${names.join(', ')}.`,
        nearest && `did you mean "${nearest}"?`,
      );
    }
    const missing = names.find((name) => !Object.hasOwn(asked, name));
    if (missing !== undefined)
      fail(op, `weights say nothing of "${missing}".`, 'give a weight for every source; 0 leaves it out');
    return new Map(Object.entries(asked));
  }
  const prepared = manifest.sources.flatMap(({ name, weight }) =>
    weight === undefined ? [] : [[name, weight] as const],
  );
  return prepared.length > 0 ? new Map(prepared) : undefined;
}

/** A shard is what its manifest says, or the folder is of two datasets. */
function checkShard(shard: ShardReader, entry: Manifest['shards'][number], manifest: Manifest): void {
  const { tokens, documents, tokenizerFingerprint } = shard.header;
  if (tokens !== entry.tokens || documents !== entry.documents || shardBytes(shard.header) !== entry.bytes)
    fail(
      op,
      `${shard.path} holds ${documents} documents, ${tokens} tokens; the manifest says ` +
        `${entry.documents}, ${entry.tokens}.`,
      'the folder mixes two datasets; prepare the data again',
    );
  if (tokenizerFingerprint !== manifest.tokenizerFingerprint)
    fail(
      op,
      `${shard.path} was made by tokenizer ${tokenizerFingerprint}, the dataset by ` +
        `${manifest.tokenizerFingerprint}.`,
      'prepare the data again',
    );
}

/**
 * A pool of windows a source where the mixture has weights, else one of all sources. Shards are
 * opened here, and closed again where one of them is not what it should be.
 */
function openPools(
  folder: string,
  manifest: Manifest,
  split: Split,
  contextLength: number,
  weights: ReadonlyMap<string, number> | undefined,
): Pool[] {
  const opened: ShardReader[] = [];
  const shardsOf = (source: string) => {
    const readers = manifest.shards
      .filter((entry) => entry.split === split && entry.source === source)
      .map((entry) => {
        const shard = new ShardReader(join(folder, entry.file));
        opened.push(shard);
        checkShard(shard, entry, manifest);
        return shard;
      });
    return readers;
  };
  try {
    const names = manifest.sources
      .map(({ name }) => name)
      .filter((name) => !weights || (weights.get(name) ?? 0) > 0);
    const pools = weights
      ? names.map((name) => new Pool(name, shardsOf(name), contextLength))
      : [new Pool('all', names.flatMap(shardsOf), contextLength)];
    const empty = pools.find(({ windows }) => windows === 0);
    if (empty || pools.length === 0) {
      const which = empty && weights ? `source "${empty.name}" of ${folder}` : folder;
      fail(
        op,
        `${which} has no ${split} tokens.`,
        split === 'train' ? 'add text' : 'prepare with more documents or a validationShare above 0',
      );
    }
    return pools;
  } catch (error) {
    for (const shard of opened) shard.close();
    throw error;
  }
}
