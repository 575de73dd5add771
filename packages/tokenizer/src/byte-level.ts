/**
 * Byte-level BPE: Llama 3 (tiktoken) and GPT-2. A pattern cuts the text into chunks; the bytes of a chunk merge by rank, unless the
 * whole chunk is a token and the vocabulary takes such chunks as they are (Llama 3).
 */
import { bytesToAlphabet, alphabetToBytes } from './byte-alphabet.ts';
import { ByteTable, hashBytes } from './byte-table.ts';
import { ChunkEncoder, type ChunkRules } from './chunk-encoder.ts';
import { checkOptions, failure } from './errors.ts';
import { byteLevelFingerprint } from './fingerprint.ts';
import { OffsetCollector } from './offsets.ts';
import { PairTable, type MergeFinder } from './pair-table.ts';
import { SpecialTokens } from './special-tokens.ts';
import { compilePattern, scannerFor, type ChunkScanner } from './split-patterns.ts';
import type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
import { Utf8Stream } from './token-decoder.ts';
import type { TokenBytes } from './token-bytes.ts';
import { decodeUtf8, encodeUtf8, encodeUtf8Into, utf8Parts } from './utf8.ts';

/** Pairs of ids in the order they merge. */
export interface MergeList {
  readonly size: number;
  /** Ids of the two parts and of the merged token. */
  forEach(visit: (left: number, right: number, merged: number, rank: number) => void): void;
}

export interface ByteLevelOptions {
  /** Bytes of every id; ids of special tokens have their name's bytes. */
  readonly tokens: TokenBytes;
  /** Special (control) tokens by name. */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** Regular expression that cuts the text, in tiktoken's dialect (split-patterns.ts). */
  readonly pattern: string;
  /** The merges in order, or 'ranks': two tokens merge where their bytes together are a token, lower ids first (tiktoken). */
  readonly merges: MergeList | 'ranks';
  /** A chunk that is a token as a whole is that token, whatever the merges give. */
  readonly wholeChunks: boolean;
  /** Tokens besides the special ones that stand for themselves wherever they occur (Hugging Face's added tokens). */
  readonly addedTokens?: ReadonlyMap<string, number>;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  readonly unkId?: number | undefined;
  readonly padId?: number | undefined;
}

const ENCODE_OPTIONS = ['addBos', 'addEos', 'allowedSpecial'];
const KEPT_BYTES = 1 << 22;

export class ByteLevelTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unkId: number | undefined;
  readonly padId: number | undefined;
  readonly specialTokens: ReadonlyMap<string, number>;
  /** What the tokenizer was made of, for those who write it to a file. */
  readonly options: ByteLevelOptions;

  private readonly tokens: TokenBytes;
  private readonly table: ByteTable;
  private readonly isSpecial: Uint8Array;
  private readonly specials: SpecialTokens;
  private readonly scanner: ChunkScanner | undefined;
  private readonly expression: RegExp | undefined;
  private readonly added: SpecialTokens | undefined;
  private chunks: ChunkEncoder | undefined;
  private bytes = new Uint8Array(1 << 12);
  private hash: string | undefined;

  constructor(options: ByteLevelOptions) {
    this.options = options;
    const { tokens, specialTokens, pattern } = options;
    this.tokens = tokens;
    this.vocabSize = tokens.size;
    this.bosId = options.bosId;
    this.eosId = options.eosId;
    this.unkId = options.unkId;
    this.padId = options.padId;
    this.specialTokens = specialTokens;
    this.specials = new SpecialTokens(specialTokens);
    this.isSpecial = new Uint8Array(tokens.size);
    for (const [name, id] of specialTokens) {
      if (!(id >= 0 && id < tokens.size))
        throw failure(
          'ByteLevelTokenizer',
          `the id ${id} of ${name} is outside the vocabulary`,
          `ids are 0 to ${tokens.size - 1}`,
        );
      this.isSpecial[id] = 1;
    }
    const added = new Map([...(options.addedTokens ?? [])].filter(([name]) => !specialTokens.has(name)));
    this.added = added.size > 0 ? new SpecialTokens(added) : undefined;
    this.table = tokenTable(tokens, this.isSpecial);
    this.scanner = scannerFor(pattern);
    this.expression = this.scanner === undefined ? compilePattern(pattern) : undefined;
    requireAllBytes(this.table);
  }

  get fingerprint(): string {
    return (this.hash ??= byteLevelFingerprint(this.options, this.isSpecial));
  }

  encode(text: string, options?: EncodeOptions): Int32Array {
    const chunks = this.encoder();
    if (options === undefined && this.added === undefined) {
      this.encodePart(text);
      return chunks.take();
    }
    checkOptions('encode', options, ENCODE_OPTIONS);
    const bos = options?.addBos === true ? this.required('bos', this.bosId) : -1;
    const eos = options?.addEos === true ? this.required('eos', this.eosId) : -1;
    const segments = this.specials.split(text, options?.allowedSpecial);
    if (bos >= 0) chunks.append(bos);
    for (const { start, end, special } of segments) {
      if (special >= 0) chunks.append(special);
      else this.encodeWithAdded(text.slice(start, end));
    }
    if (eos >= 0) chunks.append(eos);
    return chunks.take();
  }

  /** Plain texts and ids side by side: special tokens whose text nobody can inject. */
  encodeParts(parts: readonly (string | number)[]): Int32Array {
    const chunks = this.encoder();
    chunks.clear(); // whatever an error left behind
    for (const part of parts) {
      if (typeof part === 'string') this.encodeWithAdded(part);
      else {
        this.checkId('encodeParts', part);
        chunks.append(part);
      }
    }
    return chunks.take();
  }

  /** Ids of bytes that need not be UTF-8: valid parts as texts, what stands between them as a chunk of its own. */
  encodeBytes(bytes: Uint8Array): Int32Array {
    const chunks = this.encoder();
    for (const { start, end, valid } of utf8Parts(bytes)) {
      if (valid) this.encodeWithAdded(decodeUtf8(bytes.subarray(start, end)));
      else chunks.encode(bytes, start, end, hashBytes(bytes, start, end));
    }
    return chunks.take();
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Int32Array[] {
    return texts.map((text) => this.encode(text, options));
  }

  countTokens(text: string): number {
    const chunks = this.encoder();
    this.encodeWithAdded(text);
    const { count } = chunks;
    chunks.clear();
    return count;
  }

  encodeWithOffsets(text: string, options: EncodeOptions = {}): Encoding {
    checkOptions('encodeWithOffsets', options, ENCODE_OPTIONS);
    const collector = new OffsetCollector();
    const bos = options.addBos === true ? this.required('bos', this.bosId) : -1;
    const eos = options.addEos === true ? this.required('eos', this.eosId) : -1;
    if (bos >= 0) collector.addEmpty(bos);
    collector.addSegments(text, this.specials.split(text, options.allowedSpecial), (part) => {
      const chunks = this.encoder();
      this.encodeWithAdded(part);
      const ids = chunks.take();
      return { ids, lengths: ids.map((id) => this.tokens.length(id)), prefix: 0, wideSpaces: false };
    });
    if (eos >= 0) collector.addEmpty(eos);
    return collector.finish();
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    checkOptions('decode', options, ['skipSpecialTokens']);
    const skip = options?.skipSpecialTokens ?? false;
    return decodeUtf8(this.tokens.join(ids, skip ? this.isSpecial : undefined));
  }

  /** The bytes of a list of ids, which need not be UTF-8. */
  decodeBytes(ids: ArrayLike<number>): Uint8Array {
    return this.tokens.join(ids, undefined).slice();
  }

  decodeStream(options: DecodeOptions = {}): TokenDecoder {
    checkOptions('decodeStream', options, ['skipSpecialTokens']);
    const skip = options.skipSpecialTokens ?? false;
    const characters = new Utf8Stream(false);
    return {
      push: (id) => {
        this.checkId('decodeStream', id);
        return skip && this.isSpecial[id] === 1 ? '' : characters.push(this.tokens.bytes(id));
      },
      end: () => characters.end(),
    };
  }

  /** Special tokens by their name, others in GPT-2's byte alphabet (`Ġthe`). */
  idToPiece(id: number): string {
    this.checkId('idToPiece', id);
    const bytes = this.tokens.bytes(id);
    return this.isSpecial[id] === 1 ? decodeUtf8(bytes) : bytesToAlphabet(bytes);
  }

  pieceToId(piece: string): number | undefined {
    const special = this.specialTokens.get(piece) ?? this.options.addedTokens?.get(piece);
    if (special !== undefined) return special;
    const bytes = alphabetToBytes(piece);
    const id = bytes === undefined ? -1 : this.table.find(bytes, 0, bytes.length);
    return id < 0 ? undefined : id;
  }

  tokenBytes(id: number): Uint8Array {
    this.checkId('tokenBytes', id);
    return this.isSpecial[id] === 1 ? new Uint8Array(0) : this.tokens.bytes(id);
  }

  private encodeWithAdded(text: string): void {
    if (this.added === undefined) return this.encodePart(text);
    const chunks = this.encoder();
    for (const { start, end, special } of this.added.split(text, 'all')) {
      if (special >= 0) chunks.append(special);
      else this.encodePart(text.slice(start, end));
    }
  }

  private encodePart(text: string): void {
    if (text.length === 0) return;
    const chunks = this.encoder();
    const room = text.length * 3 + 1;
    if (this.bytes.length < room) this.bytes = new Uint8Array(room + (room >> 1));
    const { bytes, scanner } = this;
    const n = encodeUtf8Into(text, bytes, 0);
    if (scanner !== undefined) {
      for (let at = 0; at < n;) {
        const end = scanner(bytes, at, n);
        chunks.encode(bytes, at, end, hashBytes(bytes, at, end));
        at = end;
      }
    } else {
      this.encodeByExpression(text, bytes, chunks);
    }
    if (bytes.length > KEPT_BYTES) this.bytes = new Uint8Array(1 << 12);
  }

  /** Text between matches is kept as its own chunk, as Hugging Face's "Isolated" split does. */
  private encodeByExpression(text: string, bytes: Uint8Array, chunks: ChunkEncoder): void {
    let unit = 0;
    let byte = 0;
    const push = (to: number): void => {
      if (to === unit) return;
      const end = byte + encodeUtf8(text.slice(unit, to)).length;
      chunks.encode(bytes, byte, end, hashBytes(bytes, byte, end));
      byte = end;
      unit = to;
    };
    for (const match of text.matchAll(this.expression as RegExp)) {
      // set where there is no scanner
      push(match.index);
      push(match.index + match[0].length);
    }
    push(text.length);
  }

  private encoder(): ChunkEncoder {
    return (this.chunks ??= new ChunkEncoder(chunkRules(this.options, this.table)));
  }

  private checkId(op: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
      throw failure(op, `id ${id} is outside the vocabulary`, `ids are 0 to ${this.vocabSize - 1}`);
    }
  }

  private required(name: string, id: number | undefined): number {
    if (id === undefined)
      throw failure(
        'encode',
        `this vocabulary has no ${name} token`,
        `leave add${name === 'bos' ? 'Bos' : 'Eos'} out`,
      );
    return id;
  }
}

function tokenTable(tokens: TokenBytes, isSpecial: Uint8Array): ByteTable {
  const table = new ByteTable(tokens.pool, tokens.offsets);
  for (let id = 0; id < tokens.size; id++) {
    if (isSpecial[id] === 1 || tokens.length(id) === 0) continue;
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

function requireAllBytes(table: ByteTable): void {
  const one = new Uint8Array(1);
  for (let byte = 0; byte < 256; byte++) {
    one[0] = byte;
    if (table.find(one, 0, 1) < 0)
      throw failure(
        'ByteLevelTokenizer',
        `no token is the byte ${byte}`,
        'a byte-level vocabulary has all 256',
      );
  }
}

function chunkRules(options: ByteLevelOptions, table: ByteTable): ChunkRules {
  const { tokens, merges, wholeChunks } = options;
  const byteIds = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) byteIds[byte] = table.find(Uint8Array.of(byte), 0, 1);
  let pairs: PairTable;
  if (merges === 'ranks') {
    const ranks = Int32Array.from({ length: tokens.size }, (_, id) => id);
    pairs = new PairTable(4096, concatenationFinder(tokens, table), ranks);
  } else {
    pairs = new PairTable(merges.size);
    merges.forEach((left, right, merged, rank) => pairs.set(left, right, rank, merged));
  }
  return {
    pairs,
    whole: (bytes, start, end) => (wholeChunks ? table.find(bytes, start, end) : -1),
    split: (bytes, start, end, symbols) => {
      for (let at = start; at < end; at++) symbols[at - start] = byteIds[bytes[at]];
      return end - start;
    },
    spell: (_symbol, _out, at) => at, // every byte is a token
  };
}

function concatenationFinder(tokens: TokenBytes, table: ByteTable): MergeFinder {
  let scratch = new Uint8Array(256);
  return (left, right) => {
    const length = tokens.length(left) + tokens.length(right);
    if (length > scratch.length) scratch = new Uint8Array(2 * length);
    tokens.copy(left, scratch, 0);
    tokens.copy(right, scratch, tokens.length(left));
    return table.find(scratch, 0, length);
  };
}
