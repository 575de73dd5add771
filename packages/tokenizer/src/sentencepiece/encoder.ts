/**
 * Text to ids for SentencePiece vocabularies: the fast path over short chunks, and the definition
 * for vocabularies it does not cover.
 */
import { type ByteTable, finishHash, HASH_PRIME, HASH_SEED } from '../bytes/byte-table.ts';
import { ChunkEncoder } from '../bpe/chunk-encoder.ts';
import type { MergeList } from '../bpe/merge-list.ts';
import { failure } from '../errors.ts';
import { USER_DEFINED, type PieceList } from './piece-list.ts';
import type { SentencePieceSettings } from './model.ts';
import { normalizerOf } from './normalize.ts';
import { PlainSentencePiece } from './plain.ts';
import { adjacencyOf, isFastVocabulary, SentencePieceRules } from './rules.ts';
import { UnigramEncoder } from './unigram.ts';
import { anyOf } from '../added-tokens.ts';
import type { SentencePieceEncoder } from './text-encoder.ts';
import { PlainEncoder } from './plain-encoder.ts';
import { encodeUtf8Into } from '../bytes/utf8.ts';

const SPACE = 0x20;
/** Larger buffers are given back after the call. */
const KEPT_BYTES = 1 << 22;

/** @param found ids of added tokens, which are cut out of a text before it comes here. */
export function createSentencePieceEncoder(
  pieces: PieceList,
  settings: SentencePieceSettings,
  table: ByteTable,
  unkId: number,
  merges: MergeList | undefined,
  found: ReadonlySet<number>,
): SentencePieceEncoder {
  const rules = new SentencePieceRules(pieces, settings, table, unkId, merges);
  const normalize = normalizerOf(settings, pieces);
  if (settings.modelType === 'unigram')
    return new UnigramEncoder(pieces, rules, settings.byteFallback, normalize, found);
  if (!isFastVocabulary(pieces, settings, merges === undefined ? table : undefined, found)) {
    if (merges !== undefined)
      throw failure(
        'encode',
        'this vocabulary has a merge list and unused pieces or spaces inside pieces',
        'load it from a tokenizer.model',
      );
    return new PlainEncoder(rules, settings, new PlainSentencePiece(pieces, found), normalize);
  }
  const userDefined = new Map<string, number>();
  for (let id = 0; id < pieces.size; id++)
    if (pieces.types[id] === USER_DEFINED && !found.has(id)) userDefined.set(pieces.name(id), id);
  return new FastEncoder(rules, settings, userDefined, found);
}

class FastEncoder implements SentencePieceEncoder {
  readonly #chunks: ChunkEncoder;
  readonly #rules: SentencePieceRules;
  readonly #settings: SentencePieceSettings;
  readonly #userDefined: ReadonlyMap<string, number>;
  readonly #found: ReadonlySet<number>;
  readonly #userDefinedPattern: RegExp | undefined;
  readonly #joined: Uint8Array;
  readonly #singles: Int32Array;
  #bytes = new Uint8Array(1 << 12);

  constructor(
    rules: SentencePieceRules,
    settings: SentencePieceSettings,
    userDefined: ReadonlyMap<string, number>,
    found: ReadonlySet<number>,
  ) {
    this.#found = found;
    this.#rules = rules;
    this.#settings = settings;
    this.#chunks = new ChunkEncoder(rules);
    this.#joined = adjacencyOf(rules.pieces);
    this.#singles = rules.singleIds();
    this.#userDefined = userDefined;
    this.#userDefinedPattern = userDefined.size > 0 ? anyOf([...userDefined.keys()]) : undefined;
  }

  get count(): number {
    return this.#chunks.count;
  }

  append(id: number): void {
    this.#chunks.append(id);
  }

  take(): Int32Array {
    return this.#chunks.take();
  }

  clear(): void {
    this.#chunks.clear();
  }

  /**
   * Without byte fallback or without a piece for the space an id does not tell its bytes: then the
   * definition counts them.
   */
  measure(text: string, prefix: boolean): { ids: ArrayLike<number>; lengths: ArrayLike<number> } {
    if (!this.#settings.byteFallback || !this.#rules.hasSpace) {
      return new PlainEncoder(
        this.#rules,
        this.#settings,
        new PlainSentencePiece(this.#rules.pieces, this.#found),
        normalizerOf(this.#settings, this.#rules.pieces),
      ).measure(text, prefix);
    }
    this.encode(text, prefix);
    const ids = this.take();
    return { ids, lengths: ids.map((id) => this.#rules.byteLength(id)) };
  }

  encode(text: string, prefix: boolean): void {
    if (text.length === 0) return;
    const from = this.#chunks.count;
    const space = prefix;
    if (this.#userDefinedPattern === undefined) {
      this.#encodePart(text, space);
    } else {
      let at = 0;
      for (const match of text.matchAll(this.#userDefinedPattern)) {
        this.#encodePart(text.slice(at, match.index), space && at === 0);
        this.append(this.#userDefined.get(match[0]) ?? -1);
        at = match.index + match[0].length;
      }
      this.#encodePart(text.slice(at), space && at === 0);
    }
    if (!this.#settings.byteFallback)
      this.#chunks.count = joinUnknown(this.#chunks.out, from, this.#chunks.count, this.#rules.unkId);
  }

  /** Cuts the text where no merge crosses, hashing on the way. */
  #encodePart(text: string, space: boolean): void {
    if (text.includes('▁')) text = text.replaceAll('▁', ' ');
    const room = text.length * 3 + 2;
    if (this.#bytes.length < room) this.#bytes = new Uint8Array(room + (room >> 1));
    const bytes = this.#bytes;
    const chunks = this.#chunks;
    const joined = this.#joined;
    const singles = this.#singles;
    const begin = space ? 1 : 0;
    bytes[0] = SPACE;
    const n = begin + encodeUtf8Into(text, bytes, begin);
    for (let at = 0; at < n;) {
      const start = at;
      let byte = bytes[at++];
      let next = bytes[at];
      if (at === n || joined[(byte << 8) | next] === 0) {
        const single = byte < 0x80 ? singles[byte] : -1;
        if (single >= 0) {
          chunks.append(single);
          continue;
        }
      }
      let hash = Math.imul(HASH_SEED ^ byte, HASH_PRIME);
      while (at < n && joined[(byte << 8) | next] === 1) {
        hash = Math.imul(hash ^ next, HASH_PRIME);
        byte = next;
        next = bytes[++at];
      }
      chunks.encode(bytes, start, at, finishHash(hash));
    }
    if (bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1 << 12);
  }
}

/** A run of unknown characters is one unknown token. Returns the new end. */
function joinUnknown(ids: Int32Array, from: number, to: number, unkId: number): number {
  let n = from;
  for (let i = from; i < to; i++)
    if (ids[i] !== unkId || n === from || ids[n - 1] !== unkId) ids[n++] = ids[i];
  return n;
}
