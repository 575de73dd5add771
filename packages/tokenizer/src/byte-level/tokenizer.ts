/**
 * Byte-level BPE: Llama 3 (tiktoken), GPT-2 and their relatives. A pattern cuts the text into
 * chunks; the bytes of a chunk merge by rank, unless the whole chunk is a token and the vocabulary
 * takes such chunks as they are (Llama 3).
 */
import { isSpecial } from '../added-tokens.ts';
import { BaseTokenizer } from '../base-tokenizer.ts';
import { ChunkEncoder } from '../bpe/chunk-encoder.ts';
import { ByteTable, hashBytes } from '../bytes/byte-table.ts';
import type { TokenBytes } from '../bytes/token-bytes.ts';
import { decodeUtf8, encodeUtf8, encodeUtf8Into, utf8Parts } from '../bytes/utf8.ts';
import { Utf8Stream } from '../bytes/utf8-stream.ts';
import { checkOptions, failure } from '../errors.ts';
import { compileNormalizer } from '../text/normalizers.ts';
import type { MeasuredIds } from '../offsets.ts';
import type { DecodeOptions, TokenDecoder } from '../tokenizer.ts';
import { alphabetToBytes, bytesToAlphabet } from './byte-alphabet.ts';
import { byteLevelFingerprint } from './fingerprint.ts';
import type { ByteLevelOptions } from './options.ts';
import { byteLevelRules } from './rules.ts';
import { scannerFor, type ChunkScanner } from './scanners.ts';
import { compileSplitter } from '../text/splitter.ts';

const KEPT_BYTES = 1 << 22;

export class ByteLevelTokenizer extends BaseTokenizer {
  /** What the tokenizer was made of, for those who write it to a file. */
  readonly options: ByteLevelOptions;

  readonly #tokens: TokenBytes;
  readonly #table: ByteTable;
  readonly #isSpecial: Uint8Array;
  /** Ids whose text stands for itself: added tokens and those that no text gives. */
  readonly #isLiteral: Uint8Array;
  readonly #scanner: ChunkScanner | undefined;
  /** Where there is no scanner. */
  readonly #split: (text: string) => string[];
  #chunks: ChunkEncoder | undefined;
  #bytes = new Uint8Array(1 << 12);
  #hash: string | undefined;

  constructor(options: ByteLevelOptions) {
    const { tokens, pattern, addedTokens, unused } = options;
    super('ByteLevelTokenizer', {
      ...options,
      vocabSize: tokens.size,
      added: addedTokens,
      normalize: compileNormalizer(options.normalizer),
    });
    this.options = options;
    this.#tokens = tokens;
    this.#isSpecial = marks(
      tokens.size,
      addedTokens.filter(isSpecial).map(({ id }) => id),
    );
    this.#isLiteral = marks(tokens.size, [...addedTokens.map(({ id }) => id), ...(unused ?? [])]);
    this.#table = tokenTable(tokens, this.#isLiteral);
    this.#scanner = scannerFor(pattern);
    this.#split = this.#scanner === undefined ? compileSplitter(pattern) : (text) => [text];
  }

  get fingerprint(): string {
    return (this.#hash ??= byteLevelFingerprint(this.options, this.#isSpecial, this.#isLiteral));
  }

  /**
   * Ids of bytes that need not be UTF-8: valid parts as texts, what stands between them as a chunk
   * of its own.
   */
  encodeBytes(bytes: Uint8Array): Int32Array {
    const ids: number[] = [];
    for (const { start, end, valid } of utf8Parts(bytes)) {
      if (valid) {
        ids.push(...this.encodeParts([decodeUtf8(bytes.subarray(start, end))]));
        continue;
      }
      const chunks = this.sink();
      chunks.clear();
      chunks.encode(bytes, start, end, hashBytes(bytes, start, end));
      ids.push(...chunks.take());
    }
    return Int32Array.from(ids);
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    checkOptions('decode', options, ['skipSpecialTokens']);
    const skip = options?.skipSpecialTokens ?? false;
    return decodeUtf8(this.#tokens.join(ids, skip ? this.#isSpecial : undefined));
  }

  /** The bytes of a list of ids, which need not be UTF-8. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array {
    return this.#tokens.join(ids, undefined).slice();
  }

  decodeStream(options: DecodeOptions = {}): TokenDecoder {
    checkOptions('decodeStream', options, ['skipSpecialTokens']);
    const skip = options.skipSpecialTokens ?? false;
    const characters = new Utf8Stream(false);
    return {
      push: (id) => {
        this.checkId('decodeStream', id);
        return skip && this.#isSpecial[id] === 1 ? '' : characters.push(this.#tokens.bytes(id));
      },
      end: () => characters.end(),
    };
  }

  /** Added tokens by their name, others in GPT-2's byte alphabet (`Ġthe`). */
  idToPiece(id: number): string {
    this.checkId('idToPiece', id);
    const bytes = this.#tokens.bytes(id);
    return this.#isLiteral[id] === 1 ? decodeUtf8(bytes) : bytesToAlphabet(bytes);
  }

  pieceToId(piece: string): number | undefined {
    const added = this.addedTokens.find(({ content }) => content === piece);
    if (added !== undefined) return added.id;
    const bytes = alphabetToBytes(piece);
    const id = bytes === undefined ? -1 : this.#table.find(bytes, 0, bytes.length);
    if (id >= 0) return id;
    for (const unused of this.options.unused ?? []) if (this.idToPiece(unused) === piece) return unused;
    return undefined;
  }

  tokenBytes(id: number): Uint8Array {
    this.checkId('tokenBytes', id);
    return this.#isSpecial[id] === 1 ? new Uint8Array(0) : this.#tokens.bytes(id);
  }

  protected sink(): ChunkEncoder {
    return (this.#chunks ??= new ChunkEncoder(byteLevelRules(this.options, this.#table)));
  }

  protected encodePlain(text: string): void {
    if (text.length === 0) return;
    const chunks = this.sink();
    const room = text.length * 3 + 1;
    if (this.#bytes.length < room) this.#bytes = new Uint8Array(room + (room >> 1));
    const bytes = this.#bytes;
    const scanner = this.#scanner;
    if (scanner === undefined) {
      for (const part of this.#split(text)) this.#encodeChunk(part, chunks);
    } else {
      const n = encodeUtf8Into(text, bytes, 0);
      for (let at = 0; at < n;) {
        const end = scanner(bytes, at, n);
        chunks.encode(bytes, at, end, hashBytes(bytes, at, end));
        at = end;
      }
    }
    if (bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(1 << 12);
  }

  /** A part may be longer than the text by a prefix. */
  #encodeChunk(part: string, chunks: ChunkEncoder): void {
    if (part.length * 3 > this.#bytes.length) return this.#encodeLongChunk(part, chunks);
    const end = encodeUtf8Into(part, this.#bytes, 0);
    chunks.encode(this.#bytes, 0, end, hashBytes(this.#bytes, 0, end));
  }

  #encodeLongChunk(part: string, chunks: ChunkEncoder): void {
    const bytes = encodeUtf8(part);
    chunks.encode(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length));
  }

  protected measurePlain(text: string): MeasuredIds {
    const chunks = this.sink();
    chunks.clear();
    this.encodePlain(text);
    const ids = chunks.take();
    const lengths = ids.map((id) => this.#tokens.length(id));
    const covered = lengths.reduce((sum, length) => sum + length, 0);
    const parts = this.#split(text).join('');
    const prefix = covered - encodeUtf8(text).length;
    // a prefix at the front is all that may be added, and nothing may be left out
    if (prefix < 0 || parts.length !== text.length + prefix || !parts.endsWith(text))
      throw failure(
        'encodeWithOffsets',
        'this vocabulary leaves out or adds characters inside the text',
        'places are kept where every character is encoded',
      );
    return { ids, lengths, prefix, wideSpaces: false };
  }
}

function marks(size: number, ids: readonly number[]): Uint8Array {
  const marked = new Uint8Array(size);
  for (const id of ids) marked[id] = 1;
  return marked;
}

function tokenTable(tokens: TokenBytes, isLiteral: Uint8Array): ByteTable {
  const table = new ByteTable(tokens.pool, tokens.offsets);
  for (let id = 0; id < tokens.size; id++) {
    if (isLiteral[id] === 1 || tokens.length(id) === 0) continue;
    const twin = table.add(id);
    if (twin >= 0)
      throw failure(
        'ByteLevelTokenizer',
        `tokens ${twin} and ${id} have the same bytes`,
        'the file is damaged',
      );
  }
  return table;
}
