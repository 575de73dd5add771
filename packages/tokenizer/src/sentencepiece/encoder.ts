/** Text to ids for SentencePiece vocabularies: the fast path over short chunks, and the definition for vocabularies it does not cover. */
import { type ByteTable, finishHash, HASH_PRIME, HASH_SEED } from '../bytes/byte-table.ts';
import { ChunkEncoder } from '../bpe/chunk-encoder.ts';
import type { MergeList } from '../bpe/merge-list.ts';
import { failure } from '../errors.ts';
import { USER_DEFINED, type PieceList } from './piece-list.ts';
import type { SentencePieceSettings } from './model.ts';
import { PlainSentencePiece } from './plain.ts';
import { adjacencyOf, isFastVocabulary, SentencePieceRules } from './rules.ts';
import { anyOf } from '../added-tokens.ts';
import type { IdSink } from '../base-tokenizer.ts';
import { utf8Length } from '../offsets.ts';
import { encodeUtf8Into } from '../bytes/utf8.ts';

const SPACE = 0x20;
/** Larger buffers are given back after the call. */
const KEPT_BYTES = 1 << 22;

/** Collects the ids of texts. */
export interface SentencePieceEncoder extends IdSink {
  /** Appends the ids of a text (one part between added tokens); `prefix`: with the dummy prefix. */
  encode(text: string, prefix: boolean): void;
  /** Ids of one text with the bytes each covers, `▁` and space counting one. Leaves nothing behind. */
  measure(
    text: string,
    prefix: boolean,
  ): { readonly ids: ArrayLike<number>; readonly lengths: ArrayLike<number> };
}

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
  if (!isFastVocabulary(pieces, settings, merges === undefined ? table : undefined, found)) {
    if (merges !== undefined)
      throw failure(
        'encode',
        'this vocabulary has a merge list and unused pieces or spaces inside pieces',
        'load it from a tokenizer.model',
      );
    return new PlainEncoder(rules, settings, new PlainSentencePiece(pieces, found));
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

  /** Without byte fallback or without a piece for the space an id does not tell its bytes: then the definition counts them. */
  measure(text: string, prefix: boolean): { ids: ArrayLike<number>; lengths: ArrayLike<number> } {
    if (!this.#settings.byteFallback || !this.#rules.hasSpace) {
      return new PlainEncoder(
        this.#rules,
        this.#settings,
        new PlainSentencePiece(this.#rules.pieces, this.#found),
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

/** The same through the definition. */
class PlainEncoder implements SentencePieceEncoder {
  readonly #rules: SentencePieceRules;
  readonly #settings: SentencePieceSettings;
  readonly #plain: PlainSentencePiece;
  #ids: number[] = [];

  constructor(rules: SentencePieceRules, settings: SentencePieceSettings, plain: PlainSentencePiece) {
    this.#rules = rules;
    this.#settings = settings;
    this.#plain = plain;
  }

  get count(): number {
    return this.#ids.length;
  }

  append(id: number): void {
    this.#ids.push(id);
  }

  take(): Int32Array {
    const ids = Int32Array.from(this.#ids);
    this.#ids = [];
    return ids;
  }

  clear(): void {
    this.#ids = [];
  }

  encode(text: string, prefix: boolean): void {
    for (const { id } of this.#tokens(text, prefix)) this.#ids.push(id);
  }

  measure(text: string, prefix: boolean): { ids: number[]; lengths: number[] } {
    const tokens = this.#tokens(text, prefix);
    return { ids: tokens.map(({ id }) => id), lengths: tokens.map(({ length }) => length) };
  }

  #tokens(text: string, prefix: boolean): { id: number; length: number }[] {
    const tokens: { id: number; length: number }[] = [];
    for (const symbol of this.#plain.encode(normalize(text, this.#settings, prefix))) {
      const length = utf8Length(symbol.text.replaceAll('▁', ' '));
      if (symbol.id >= 0) {
        tokens.push({ id: symbol.id, length });
        continue;
      }
      const last = tokens.at(-1);
      if (!this.#settings.byteFallback && last !== undefined && last.id === this.#rules.unkId) {
        last.length += length; // a run of unknown characters is one token
        continue;
      }
      const ids = this.#rules.spellText(symbol.text);
      ids.forEach((id, i) => tokens.push({ id, length: ids.length === length ? 1 : i === 0 ? length : 0 }));
    }
    return tokens;
  }
}

/** normalizer.cc with the identity map. */
function normalize(text: string, settings: SentencePieceSettings, prefix: boolean): string {
  if (text.length === 0) return '';
  let normalized = text.replace(/[\ud800-\udfff]/gu, '\ufffd');
  if (settings.removeExtraWhitespaces) {
    normalized = normalized.replace(/^ +/, '').replace(/ {2,}/g, ' ');
    if (normalized.length === 0) return '';
  }
  normalized = normalized.replaceAll(' ', '▁');
  const space = prefix;
  if (space && !settings.treatWhitespaceAsSuffix) normalized = `▁${normalized}`;
  if (settings.removeExtraWhitespaces) normalized = normalized.replace(/▁+$/, '');
  if (space && settings.treatWhitespaceAsSuffix) normalized += '▁';
  return normalized;
}

/** A run of unknown characters is one unknown token. Returns the new end. */
function joinUnknown(ids: Int32Array, from: number, to: number, unkId: number): number {
  let n = from;
  for (let i = from; i < to; i++)
    if (ids[i] !== unkId || n === from || ids[n - 1] !== unkId) ids[n++] = ids[i];
  return n;
}
