/** Ids to text for SentencePiece vocabularies (sentencepiece_processor.cc, Decode). */
import { failure } from './errors.ts';
import { BYTE, CONTROL, UNKNOWN, type PieceList } from './piece-list.ts';
import { byteOfPiece, type SentencePieceSettings } from './sentencepiece-model.ts';
import type { TokenDecoder } from './tokenizer.ts';
import { Utf8Stream } from './token-decoder.ts';
import { decodeUtf8, encodeUtf8, isValidUtf8, replaceInvalidBytes } from './utf8.ts';

const SPACE = 0x20;
/** Larger buffers are given back after the call. */
const KEPT_BYTES = 1 << 22;

export class SentencePieceDecoder {
  private readonly pieces: PieceList;
  private readonly settings: SentencePieceSettings;
  private surfaces: Surfaces | undefined;

  constructor(pieces: PieceList, settings: SentencePieceSettings) {
    this.pieces = pieces;
    this.settings = settings;
  }

  /** The first visible piece loses a leading space where the model puts one before every text. */
  decode(ids: ArrayLike<number>, skipSpecial: boolean): string {
    const { pool, offsets } = (this.surfaces ??= new Surfaces(this.pieces, this.settings));
    const { types } = this.pieces;
    const size = types.length;
    let out: Uint8Array = scratch;
    let n = 0;
    let atStart = this.settings.addDummyPrefix || this.settings.removeExtraWhitespaces;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (!(id >= 0 && id < size)) throw outside(id, size);
      let from = offsets[id];
      const to = offsets[id + 1];
      const type = types[id];
      if (type !== 1) {
        if (type === CONTROL) {
          if (skipSpecial) continue;
          const name = encodeUtf8(this.pieces.name(id));
          out = room(out, n + name.length);
          out.set(name, n);
          n += name.length;
          continue;
        }
        if (type === BYTE && pool[from] >= 0x80) {
          const start = n;
          while (i < ids.length && types[ids[i]] === BYTE) {
            out = room(out, n + 1);
            out[n++] = pool[offsets[ids[i++]]];
          }
          i--;
          if (!isValidUtf8(out, start, n)) {
            const repaired = replaceInvalidBytes(out.subarray(start, n));
            out = room(out, start + repaired.length);
            out.set(repaired, start);
            n = start + repaired.length;
          }
          continue;
        }
      }
      if (atStart) {
        if (n > 0) {
          atStart = false;
        } else if (type !== BYTE && type !== UNKNOWN && pool[from] === SPACE) {
          from++;
          if (!this.settings.removeExtraWhitespaces) atStart = false;
        }
      }
      const length = to - from;
      if (n + length > out.length) out = room(out, n + length);
      for (let k = 0; k < length; k++) out[n + k] = pool[from + k];
      n += length;
    }
    const text = decodeUtf8(out.subarray(0, n));
    scratch = out.length > KEPT_BYTES ? new Uint8Array(1 << 12) : out;
    return text;
  }

  stream(skipSpecial: boolean): TokenDecoder {
    const characters = new Utf8Stream(true);
    const strips = this.settings.addDummyPrefix || this.settings.removeExtraWhitespaces;
    let atStart = strips;
    let seen = false;
    return {
      push: (id) => {
        const type = this.pieces.types[id];
        let bytes = this.bytes(id);
        if (type === BYTE) {
          seen = true;
          return characters.push(bytes);
        }
        const held = characters.end(); // a piece ends a run of bytes
        if (type === CONTROL) return skipSpecial ? held : held + this.pieces.name(id);
        if (atStart) {
          if (seen) {
            atStart = false;
          } else if (type !== UNKNOWN && bytes[0] === SPACE) {
            bytes = bytes.subarray(1);
            if (!this.settings.removeExtraWhitespaces) atStart = false;
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
    const { pool, offsets } = (this.surfaces ??= new Surfaces(this.pieces, this.settings));
    if (!(id >= 0 && id < this.pieces.size)) throw outside(id, this.pieces.size);
    return pool.slice(offsets[id], offsets[id + 1]);
  }
}

let scratch: Uint8Array = new Uint8Array(1 << 12);

function room(bytes: Uint8Array, needed: number): Uint8Array {
  if (needed <= bytes.length) return bytes;
  const grown = new Uint8Array(Math.max(2 * bytes.length, needed));
  grown.set(bytes);
  return grown;
}

function outside(id: number, size: number): Error {
  return failure('decode', `id ${id} is outside the vocabulary`, `ids are 0 to ${size - 1}`);
}

/** What each id decodes to: bytes, without the names of control pieces. */
class Surfaces {
  readonly pool: Uint8Array;
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
  }
}
