import type { Llama } from '@cria/layers';
import { checkOptions, type ComputeDType, fail } from '@cria/tensor';
import { NgramProposer, type Proposer } from '../speculate/proposer.ts';
import type { CacheDType } from '../cache/key-value-blocks.ts';

/** Limits of an engine that are numbers. No limit changes a text: only when it comes, and whether it is taken. */
export interface EngineLimits {
  /** Size of the key/value cache in blocks; default by `memory`. */
  readonly blocks?: number;
  /** Size of the key/value cache in bytes; default 1 GiB, or less where `maxSequences` whole contexts need less. */
  readonly memory?: number;
  /** Tokens per block. Default 16. */
  readonly blockSize?: number;
  /**
   * Most tokens in one step, of all sequences: throughput of prompts against latency of everyone
   * else's next token. Default 256.
   */
  readonly maxBatchRows?: number;
  /** Most tokens of one prompt in one step. Default `maxBatchRows`. */
  readonly prefillChunk?: number;
  /** Most sequences that are computed together. Default 16. */
  readonly maxSequences?: number;
  /** Most requests that wait for their turn; more are refused (`queue_full`). Default 256. */
  readonly maxWaiting?: number;
  /** Most tokens of all requests that wait; a request beyond is refused (`queue_full`). Default any number. */
  readonly maxWaitingTokens?: number;
  /** Most seconds that a request waits before it is started (`expired`). Default any number. */
  readonly queueSeconds?: number;
}

export interface EngineCoreOptions extends EngineLimits {
  readonly model: Llama;
  /** Ids that are chosen from; default all of the model. Those beyond only pad its output matrix. */
  readonly vocabSize?: number;
  /** Ids that end a text. Default none. */
  readonly eosIds?: readonly number[];
  /** Dtype of activations. Default f32. */
  readonly dtype?: ComputeDType;
  /**
   * How the cache stores keys and values: halves take half the memory and time of f32, `q8_0` a
   * quarter of the memory. Default as the activations. The same text comes out of any batch for
   * each of them, not the same text as of another.
   */
  readonly cacheDType?: CacheDType;
  /**
   * Share what beginnings of texts have in common, running or ended, instead of computing it again.
   * Default true where the device is `batchInvariant`, so that it changes no text; else false.
   */
  readonly prefixCache?: boolean;
  /**
   * Guess what comes next and try several ids in one pass. It changes no text (on devices that are
   * `batchInvariant`), and pays where texts repeat what stands in them. Default no.
   */
  readonly speculate?: Speculation;
  /** Seconds of a clock that never goes back. Default that of `performance`. */
  readonly clock?: () => number;
}

export interface Speculation {
  /** Most ids that are tried at once. Default 8. */
  readonly tokens?: number;
  /** The last ids, at most so many, are looked for in the text before. Default 3. Not with `proposer`. */
  readonly ngram?: number;
  /** Who guesses; default what followed the last ids in the text before. */
  readonly proposer?: Proposer;
}

interface LimitRow {
  readonly least: number;
  /** Not a whole number, and perhaps without end. */
  readonly continuous?: boolean;
  readonly default?: number;
}

/** The one table of numeric limits: checks, defaults and names of options follow from it. */
const limits: { readonly [Name in keyof EngineLimits]-?: LimitRow } = {
  blocks: { least: 1 },
  memory: { least: 1, default: 2 ** 30 },
  blockSize: { least: 1, default: 16 },
  maxBatchRows: { least: 1, default: 256 },
  prefillChunk: { least: 1 },
  maxSequences: { least: 1, default: 16 },
  maxWaiting: { least: 0, default: 256 },
  maxWaitingTokens: { least: 1, continuous: true, default: Infinity },
  queueSeconds: { least: 0, continuous: true, default: Infinity },
};

const others = [
  'model',
  'vocabSize',
  'eosIds',
  'dtype',
  'cacheDType',
  'prefixCache',
  'speculate',
  'clock',
] as const;

/** Names of all options of the core. */
export const engineCoreOptions: readonly (keyof EngineCoreOptions)[] = [
  ...(Object.keys(limits) as (keyof EngineLimits)[]), // the keys of a constant object
  ...others,
];

/** Every limit with its default; `blocks` stays open where `memory` decides. */
export type ResolvedLimits = Required<Omit<EngineLimits, 'blocks'>> & Pick<EngineLimits, 'blocks'>;

/** Refuses unknown options and numbers out of range, and fills in the defaults. @throws CriaError */
export function resolveLimits(op: string, options: EngineCoreOptions): ResolvedLimits {
  checkOptions(op, options, engineCoreOptions);
  const resolved = Object.entries(limits).flatMap(([name, row]) => {
    const value = options[name as keyof EngineLimits] ?? row.default; // a key of the table
    if (value === undefined) return [];
    if (!(row.continuous ? value >= row.least : Number.isSafeInteger(value) && value >= row.least)) {
      const wanted = row.continuous ? `a number from ${row.least} on` : `a whole number from ${row.least} on`;
      fail(op, `${name} is ${value}.`, `give ${wanted}`);
    }
    return [[name, value] as const];
  });
  // A value for each row that has a default.
  const found = Object.fromEntries(resolved) as unknown as Omit<ResolvedLimits, 'prefillChunk'> &
    EngineLimits;
  return { ...found, prefillChunk: found.prefillChunk ?? found.maxBatchRows };
}

/** Who guesses, and how much at once; undefined: nobody. @throws CriaError */
export function resolveSpeculation(
  op: string,
  speculate: Speculation | undefined,
): { readonly proposer: Proposer; readonly tokens: number } | undefined {
  if (!speculate) return undefined;
  checkOptions(op, speculate, ['tokens', 'ngram', 'proposer']);
  const { tokens = 8, ngram = 3 } = speculate;
  for (const [name, value] of Object.entries({ tokens, ngram })) {
    if (!(Number.isSafeInteger(value) && value >= 1))
      fail(op, `speculate.${name} is ${value}.`, 'give a whole number from 1 on');
  }
  return { proposer: speculate.proposer ?? new NgramProposer(ngram), tokens };
}
