/** What a SentencePiece vocabulary tells the chunk encoder. */
import type { MergeList } from '../bpe/merge-list.ts';
import type { ByteTable } from '../bytes/byte-table.ts';
import type { ChunkRules } from '../bpe/chunk-encoder.ts';
import { failure } from '../errors.ts';
import { PairTable } from '../bpe/pair-table.ts';
import { BYTE, NORMAL, UNUSED, USER_DEFINED, type PieceList } from './piece-list.ts';
import { byteOfPiece, type SentencePieceSettings } from './model.ts';
import { codePointAt, encodeUtf8, sequenceLength } from '../bytes/utf8.ts';

const SPACE = 0x20;

export class SentencePieceRules implements ChunkRules {
  readonly pairs: PairTable;
  readonly unkId: number;
  readonly pieces: PieceList;
  /** Whether `▁` is a piece. */
  readonly hasSpace: boolean;
  readonly #table: ByteTable;
  /** Ids of the ASCII characters (▁ at 0x20), negative where there is none. */
  readonly #asciiIds = new Int32Array(128);
  /** Ids of the byte pieces, or undefined without byte fallback. */
  readonly #byteIds: Int32Array | undefined;

  constructor(
    pieces: PieceList,
    settings: SentencePieceSettings,
    table: ByteTable,
    unkId: number,
    merges?: MergeList,
  ) {
    this.#table = table;
    this.unkId = unkId;
    this.pieces = pieces;
    this.#byteIds = settings.byteFallback ? bytePieces(pieces) : undefined;
    const one = new Uint8Array(1);
    for (let code = 0; code < 128; code++) {
      one[0] = code;
      const id = table.find(one, 0, 1);
      this.#asciiIds[code] = id < 0 ? symbolOf(code) : id;
    }
    this.hasSpace = this.#asciiIds[SPACE] >= 0;
    if (merges === undefined) {
      this.pairs = new PairTable(4096, mergeFinder(pieces, table), denseRanks(pieces.scores));
    } else {
      const pairs = new PairTable(merges.size);
      merges.forEach((left, right, merged, rank) => pairs.set(left, right, rank, merged));
      this.pairs = pairs;
    }
  }

  whole(): number {
    return -1; // a piece counts only where merges lead to it
  }

  split(bytes: Uint8Array, start: number, end: number, symbols: Int32Array): number {
    const asciiIds = this.#asciiIds;
    const table = this.#table;
    let n = 0;
    for (let at = start; at < end;) {
      const lead = bytes[at];
      if (lead < 0x80) {
        symbols[n++] = asciiIds[lead];
        at++;
        continue;
      }
      const length = sequenceLength(lead);
      const id = table.find(bytes, at, at + length);
      symbols[n++] = id < 0 ? symbolOf(codePointAt(bytes, at, length)) : id;
      at += length;
    }
    return n;
  }

  spell(symbol: number, out: Int32Array, at: number): number {
    const code = ~symbol;
    if (code < 0x80 && code !== SPACE) {
      out[at] = this.#byteIds === undefined ? this.unkId : this.#byteIds[code];
      return at + 1;
    }
    for (const id of this.#spellCharacter(code)) out[at++] = id;
    return at;
  }

  /** Ids of single ASCII characters, −1 where it takes several. */
  singleIds(): Int32Array {
    const scratch = new Int32Array(4);
    return this.#asciiIds.map((id) => (id >= 0 ? id : this.spell(id, scratch, 0) === 1 ? scratch[0] : -1));
  }

  /** Bytes of a text that the piece covers. */
  byteLength(id: number): number {
    const { types, offsets } = this.pieces;
    return types[id] === BYTE ? 1 : offsets[id + 1] - offsets[id];
  }

  /** Ids of characters that are no piece: their bytes, or the unknown id. */
  spellText(text: string): number[] {
    return Array.from(text).flatMap((character) =>
      this.#spellCharacter(character === '▁' ? SPACE : (character.codePointAt(0) ?? 0)),
    );
  }

  #spellCharacter(code: number): number[] {
    const byteIds = this.#byteIds;
    if (byteIds === undefined) return [this.unkId];
    return Array.from(encodeUtf8(code === SPACE ? '▁' : String.fromCodePoint(code)), (byte) => byteIds[byte]);
  }
}

/** A character that is no piece, as a negative symbol. */
function symbolOf(code: number): number {
  return ~code;
}

function bytePieces(pieces: PieceList): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  for (let id = 0; id < pieces.size; id++) if (pieces.types[id] === BYTE) ids[byteOfPiece(pieces, id)] = id;
  const missing = ids.indexOf(-1);
  if (missing >= 0) {
    throw failure(
      'SentencePieceTokenizer',
      `byte fallback is on, but byte ${missing} has no piece`,
      'a vocabulary needs <0x00> to <0xFF>',
    );
  }
  return ids;
}

/** The piece that two pieces spell together. */
function mergeFinder(pieces: PieceList, table: ByteTable): (left: number, right: number) => number {
  const { pool, offsets } = pieces;
  let scratch = new Uint8Array(256);
  return (left, right) => {
    const a = offsets[left];
    const b = offsets[right];
    const aLength = offsets[left + 1] - a;
    const length = aLength + offsets[right + 1] - b;
    if (length > scratch.length) scratch = new Uint8Array(2 * length);
    for (let i = 0; i < aLength; i++) scratch[i] = pool[a + i];
    for (let i = aLength; i < length; i++) scratch[i] = pool[b + i - aLength];
    return table.find(scratch, 0, length);
  };
}

/** Place of each score among the distinct scores, highest first: equal scores share a rank. */
export function denseRanks(scores: Float32Array): Int32Array {
  const sorted = Float32Array.from(scores).sort();
  let distinct = 0;
  for (let i = 0; i < sorted.length; i++)
    if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[distinct++] = sorted[i];
  return Int32Array.from(scores, (score) => {
    let low = 0;
    let high = distinct - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < score) low = middle + 1;
      else high = middle;
    }
    return distinct - 1 - low;
  });
}

/**
 * Whether symbols can be ids: every character of a piece is a piece (else a merge could begin at a
 * character without id; not asked without a table, as merge lists name ids), no unused piece can be
 * made, no user-defined piece has a space, and spaces stay as they are.
 */
export function isFastVocabulary(
  pieces: PieceList,
  settings: SentencePieceSettings,
  table: ByteTable | undefined,
  found: ReadonlySet<number>,
): boolean {
  if (settings.treatWhitespaceAsSuffix || settings.removeExtraWhitespaces) return false;
  if (settings.characterMap !== undefined) return false;
  const { pool, offsets, types } = pieces;
  const seen = new Uint8Array(0x110000 >> 3); // a bit a character
  for (let id = 0; id < pieces.size; id++) {
    const type = types[id];
    if (type === UNUSED && (table === undefined || canBeMade(pieces, table, id))) return false;
    if ((type !== NORMAL && type !== USER_DEFINED) || pieces.spacedNames.has(id) || found.has(id)) continue;
    const end = offsets[id + 1];
    for (let at = offsets[id]; at < end;) {
      const lead = pool[at];
      if (lead === SPACE && type === USER_DEFINED) return false;
      const length = sequenceLength(lead);
      const code = codePointAt(pool, at, length);
      if ((seen[code >> 3] & (1 << (code & 7))) === 0) {
        seen[code >> 3] |= 1 << (code & 7);
        if (type === NORMAL && table !== undefined && table.find(pool, at, at + length) < 0) return false;
      }
      at += length;
    }
  }
  return true;
}

/**
 * Whether characters or merges may lead to a piece: it is a character, or two pieces or characters
 * one after the other. Placeholders that only fill up an embedding (`[PAD32001]`) cannot be made,
 * so no text needs them to be taken apart again.
 */
function canBeMade({ pool, offsets }: PieceList, table: ByteTable, id: number): boolean {
  const [start, end] = [offsets[id], offsets[id + 1]];
  const isSymbol = (from: number, to: number): boolean =>
    to - from === sequenceLength(pool[from]) || table.find(pool, from, to) >= 0;
  if (end - start === sequenceLength(pool[start])) return true;
  for (let at = start + sequenceLength(pool[start]); at < end; at += sequenceLength(pool[at]))
    if (isSymbol(start, at) && isSymbol(at, end)) return true;
  return false;
}

/**
 * Which bytes stand next to each other in some piece: entry 256 · a + b. Where two characters of a
 * text meet in bytes that do so in no piece, no merge crosses, and the text can be cut. (LLaMA's
 * pieces keep to one script and put spaces first, so this cuts at spaces, line ends, punctuation
 * and around digits.) Bytes inside one character always belong together.
 */
export function adjacencyOf(pieces: PieceList): Uint8Array {
  const { pool, offsets, types } = pieces;
  const joined = new Uint8Array(1 << 16);
  for (let a = 0x80; a < 0x100; a++) for (let b = 0x80; b < 0xc0; b++) joined[(a << 8) | b] = 1;
  for (let id = 0; id < pieces.size; id++) {
    const type = types[id];
    if (type !== NORMAL && type !== USER_DEFINED && type !== UNUSED) continue;
    for (let at = offsets[id] + 1; at < offsets[id + 1]; at++) joined[(pool[at - 1] << 8) | pool[at]] = 1;
  }
  return joined;
}
