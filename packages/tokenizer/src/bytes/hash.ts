/**
 * MurmurHash3 x86 128-bit over a stream of bytes: a fast, well-known hash for fingerprints (not
 * against forgery).
 */

const C = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;
const ADD = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17] as const;
const ROTATE_BLOCK = [15, 16, 17, 18] as const;
const ROTATE_STATE = [19, 17, 15, 13] as const;

export class Murmur128 {
  readonly #state = new Int32Array(4);
  readonly #block = new Uint8Array(16);
  readonly #words = new DataView(this.#block.buffer);
  #filled = 0;
  #length = 0;

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    for (let i = 0; i < bytes.length; i++) {
      this.#block[this.#filled++] = bytes[i];
      if (this.#filled === 16) {
        this.#mixBlock();
        this.#filled = 0;
      }
    }
    return this;
  }

  /** Integers, little-endian, 4 bytes each. */
  updateInt32(...values: readonly number[]): this {
    return this.update(new Uint8Array(Int32Array.from(values).buffer));
  }

  /** 32 hex digits. Call once. */
  hex(): string {
    const h = this.#state;
    for (let i = 3; i >= 0; i--) {
      if (this.#filled > 4 * i) {
        let k = 0;
        for (let j = Math.min(4, this.#filled - 4 * i) - 1; j >= 0; j--)
          k = (k << 8) | this.#block[4 * i + j];
        h[i] ^= scramble(k, i);
      }
    }
    for (let i = 0; i < 4; i++) h[i] ^= this.#length;
    spread(h);
    for (let i = 0; i < 4; i++) h[i] = finalMix(h[i]);
    spread(h);
    return Array.from(h, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #mixBlock(): void {
    const h = this.#state;
    for (let i = 0; i < 4; i++) {
      h[i] ^= scramble(this.#words.getInt32(4 * i, true), i);
      h[i] = rotate(h[i], ROTATE_STATE[i]) + h[(i + 1) & 3];
      h[i] = Math.imul(h[i], 5) + ADD[i];
    }
  }
}

function rotate(x: number, r: number): number {
  return (x << r) | (x >>> (32 - r));
}

function scramble(k: number, lane: number): number {
  return Math.imul(rotate(Math.imul(k, C[lane]), ROTATE_BLOCK[lane]), C[(lane + 1) & 3]);
}

function spread(h: Int32Array): void {
  h[0] += h[1] + h[2] + h[3];
  for (let i = 1; i < 4; i++) h[i] += h[0];
}

function finalMix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The bytes of whole numbers, in the machine's order (little-endian everywhere). */
export function asBytes(array: Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
