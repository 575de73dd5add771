/**
 * The pieces of a SentencePiece vocabulary in flat arrays. `▁` (U+2581, the sign for a space) is
 * kept as the byte 0x20, so that encoding and decoding work on the bytes of the text; a name with a
 * real space in it, which no normalised text can match, is remembered apart.
 */
import { failure } from '../errors.ts';
import { decodeUtf8, encodeUtf8, isValidUtf8 } from '../bytes/utf8.ts';

/**
 * Types of pieces, numbered as in sentencepiece_model.proto and in GGUF's
 * tokenizer.ggml.token_type.
 */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const UNUSED = 5;
export const BYTE = 6;

export interface Piece {
  readonly piece: string;
  readonly score: number;
  readonly type: number;
}

const SPACE = 0x20;
/** sentencepiece refuses longer ones. */
const MAX_PIECE_BYTES = 8000;

export class PieceList {
  /** Bytes of piece i: pool[offsets[i] .. offsets[i + 1]). */
  readonly pool: Uint8Array;
  readonly offsets: Int32Array;
  readonly scores: Float32Array;
  readonly types: Uint8Array;
  /** Names that hold a real space, by id. */
  readonly spacedNames: ReadonlyMap<number, string>;
  readonly size: number;

  constructor(
    pool: Uint8Array,
    offsets: Int32Array,
    scores: Float32Array,
    types: Uint8Array,
    spacedNames: ReadonlyMap<number, string>,
  ) {
    this.pool = pool;
    this.offsets = offsets;
    this.scores = scores;
    this.types = types;
    this.spacedNames = spacedNames;
    this.size = types.length;
  }

  static from(pieces: readonly Piece[]): PieceList {
    const builder = new PieceListBuilder(pieces.length, pieces.length * 8);
    for (const { piece, score, type } of pieces) {
      const bytes = encodeUtf8(piece);
      builder.add(bytes, 0, bytes.length, score, type);
    }
    return builder.finish();
  }

  name(id: number): string {
    const spaced = this.spacedNames.get(id);
    if (spaced !== undefined) return spaced;
    return decodeUtf8(this.pool.subarray(this.offsets[id], this.offsets[id + 1])).replaceAll(' ', '▁');
  }

  at(id: number): Piece {
    return { piece: this.name(id), score: this.scores[id], type: this.types[id] };
  }
}

/** Collects pieces given as UTF-8 bytes with a literal `▁` (E2 96 81). */
export class PieceListBuilder {
  #pool: Uint8Array;
  #offsets: Int32Array;
  #scores: Float32Array;
  #types: Uint8Array;
  readonly #spacedNames = new Map<number, string>();
  #count = 0;
  #length = 0;

  constructor(expectedPieces: number, expectedBytes: number) {
    this.#pool = new Uint8Array(Math.max(16, expectedBytes));
    this.#offsets = new Int32Array(Math.max(16, expectedPieces) + 1);
    this.#scores = new Float32Array(Math.max(16, expectedPieces));
    this.#types = new Uint8Array(Math.max(16, expectedPieces));
  }

  add(bytes: Uint8Array, start: number, end: number, score: number, type: number): void {
    const id = this.#count;
    const length = end - start;
    if (length === 0) throw failure('readVocabulary', `piece ${id} is empty`, 'the file is damaged');
    if (length >= MAX_PIECE_BYTES) {
      throw failure(
        'readVocabulary',
        `piece ${id} has ${length} bytes`,
        `at most ${MAX_PIECE_BYTES - 1} make sense: the file is damaged`,
      );
    }
    if (!(type >= NORMAL && type <= BYTE))
      throw failure('readVocabulary', `piece ${id} has type ${type}`, 'types are 1 to 6');
    if (Number.isNaN(score))
      throw failure('readVocabulary', `the score of piece ${id} is NaN`, 'the file is damaged');
    if (id === this.#types.length || this.#length + length > this.#pool.length) this.#grow(length);
    const pool = this.#pool;
    let n = this.#length;
    let ascii = 0;
    let spaced = false;
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      ascii |= byte;
      if (byte === 0xe2 && i + 2 < end && bytes[i + 1] === 0x96 && bytes[i + 2] === 0x81) {
        pool[n++] = SPACE;
        i += 2;
      } else {
        if (byte === SPACE) spaced = true;
        pool[n++] = byte;
      }
    }
    if (ascii >= 0x80 && !isValidUtf8(bytes, start, end)) {
      throw failure(
        'readVocabulary',
        `piece ${id} is not valid UTF-8`,
        'the file is damaged, or its tokens are bytes: then it is a byte-level vocabulary',
      );
    }
    if (spaced) this.#spacedNames.set(id, decodeUtf8(bytes.subarray(start, end)));
    this.#length = n;
    this.#scores[id] = score;
    this.#types[id] = type;
    this.#count = id + 1;
    this.#offsets[this.#count] = n;
  }

  finish(): PieceList {
    const count = this.#count;
    return new PieceList(
      this.#pool.subarray(0, this.#length),
      this.#offsets.subarray(0, count + 1),
      this.#scores.subarray(0, count),
      this.#types.subarray(0, count),
      this.#spacedNames,
    );
  }

  #grow(extra: number): void {
    const pieces = this.#types.length * 2;
    const bytes = this.#pool.length * 2 + extra;
    const copy = <A extends Uint8Array | Int32Array | Float32Array>(from: A, to: A): A => {
      to.set(from);
      return to;
    };
    this.#pool = copy(this.#pool, new Uint8Array(bytes));
    this.#offsets = copy(this.#offsets, new Int32Array(pieces + 1));
    this.#scores = copy(this.#scores, new Float32Array(pieces));
    this.#types = copy(this.#types, new Uint8Array(pieces));
  }
}
