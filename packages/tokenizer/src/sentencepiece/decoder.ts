/** Ids to text for SentencePiece vocabularies (sentencepiece_processor.cc, Decode). */
import { ByteSink, PaddedBytes } from '../bytes/byte-sink.ts';
import { failure } from '../errors.ts';
import { BYTE, CONTROL, UNKNOWN, type PieceList } from './piece-list.ts';
import { byteOfPiece, type SentencePieceSettings } from './model.ts';
import type { TokenDecoder } from '../tokenizer.ts';
import { Utf8Stream } from '../bytes/utf8-stream.ts';
import { decodeUtf8, encodeUtf8, isValidUtf8, replaceInvalidBytes } from '../bytes/utf8.ts';

const SPACE = 0x20;

export class SentencePieceDecoder {
  readonly #pieces: PieceList;
  readonly #settings: SentencePieceSettings;
  readonly #strips: boolean;
  #surfaces: Surfaces | undefined;

  /**
   * @param strips whether the first visible piece loses a leading space; default where the model
   *   puts one there.
   */
  constructor(pieces: PieceList, settings: SentencePieceSettings, strips?: boolean) {
    this.#pieces = pieces;
    this.#settings = settings;
    this.#strips = strips ?? (settings.addDummyPrefix || settings.removeExtraWhitespaces);
  }

  /** The first visible piece loses a leading space where the model puts one before every text. */
  decode(ids: ArrayLike<number>, skipSpecial: boolean): string {
    const { pool, padded, offsets } = (this.#surfaces ??= new Surfaces(this.#pieces, this.#settings));
    const { types } = this.#pieces;
    const size = types.length;
    sink.length = 0; // whatever an error left behind
    let atStart = this.#strips;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (!(id >= 0 && id < size)) throw outside(id, size);
      let from = offsets[id];
      const type = types[id];
      if (type === CONTROL) {
        if (!skipSpecial) sink.set(encodeUtf8(this.#pieces.name(id).replaceAll('▁', ' ')));
        continue;
      }
      if (type === BYTE && pool[from] >= 0x80) {
        i = this.#appendBytes(ids, i, pool, offsets);
        continue;
      }
      if (atStart) {
        if (sink.length > 0) {
          atStart = false;
        } else if (type !== BYTE && type !== UNKNOWN && pool[from] === SPACE) {
          from++;
          if (!this.#settings.removeExtraWhitespaces) atStart = false;
        }
      }
      sink.append(padded, from, offsets[id + 1] - from);
    }
    return decodeUtf8(sink.take());
  }

  /**
   * A run of byte pieces from `i` on: what is no character becomes U+FFFD. Returns the index of its
   * last piece.
   */
  #appendBytes(ids: ArrayLike<number>, i: number, pool: Uint8Array, offsets: Int32Array): number {
    const start = sink.length;
    while (i < ids.length && this.#pieces.types[ids[i]] === BYTE) sink.push(pool[offsets[ids[i++]]]);
    if (!isValidUtf8(sink.bytes, start, sink.length)) {
      const repaired = replaceInvalidBytes(sink.bytes.slice(start, sink.length));
      sink.length = start;
      sink.set(repaired);
    }
    return i - 1;
  }

  stream(skipSpecial: boolean): TokenDecoder {
    const characters = new Utf8Stream(true);
    const strips = this.#strips;
    let atStart = strips;
    let seen = false;
    return {
      push: (id) => {
        const type = this.#pieces.types[id];
        let bytes = this.bytes(id);
        if (type === BYTE) {
          seen = true;
          return characters.push(bytes);
        }
        const held = characters.end(); // a piece ends a run of bytes
        if (type === CONTROL) {
          if (skipSpecial) return held;
          seen = true; // as text: a space behind it is no longer at the front
          return held + this.#pieces.name(id).replaceAll('▁', ' ');
        }
        if (atStart) {
          if (seen) {
            atStart = false;
          } else if (type !== UNKNOWN && bytes[0] === SPACE) {
            bytes = bytes.subarray(1);
            if (!this.#settings.removeExtraWhitespaces) atStart = false;
          }
        }
        if (bytes.length > 0) seen = true;
        return held + decodeUtf8(bytes);
      },
      end: () => {
        atStart = strips;
        seen = false;
        return characters.end();
      },
    };
  }

  /** A copy of what the token stands for. */
  bytes(id: number): Uint8Array {
    const { pool, offsets } = (this.#surfaces ??= new Surfaces(this.#pieces, this.#settings));
    if (!(id >= 0 && id < this.#pieces.size)) throw outside(id, this.#pieces.size);
    return pool.slice(offsets[id], offsets[id + 1]);
  }
}

const sink = new ByteSink();

function outside(id: number, size: number): Error {
  return failure('decode', `id ${id} is outside the vocabulary`, `ids are 0 to ${size - 1}`);
}

/** What each id decodes to: bytes, without the names of control pieces. */
class Surfaces {
  readonly pool: Uint8Array;
  readonly padded: PaddedBytes;
  readonly offsets: Int32Array;

  constructor(pieces: PieceList, settings: SentencePieceSettings) {
    const unknown = encodeUtf8(settings.unkSurface);
    const { types, offsets, pool, size } = pieces;
    const out = new Uint8Array(pool.length + size + unknown.length); // at most one piece is unknown
    this.offsets = new Int32Array(size + 1);
    let n = 0;
    for (let id = 0; id < size; id++) {
      const type = types[id];
      if (type === BYTE) out[n++] = byteOfPiece(pieces, id);
      else if (type === UNKNOWN) {
        out.set(unknown, n);
        n += unknown.length;
      } else if (type !== CONTROL) {
        for (let at = offsets[id]; at < offsets[id + 1]; at++) out[n++] = pool[at];
      }
      this.offsets[id + 1] = n;
    }
    this.pool = out.slice(0, n);
    this.padded = new PaddedBytes(this.pool);
  }
}
