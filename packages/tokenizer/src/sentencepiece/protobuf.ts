/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), as much of it as a model
 * file needs.
 */
import { failure } from '../errors.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/utf8.ts';

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

const OP = 'readProtobuf';
const HINT = 'the file is damaged or no protobuf message';

/**
 * Walks the fields of one message: `while (reader.next()) switch (reader.field) …`; a field that is
 * not read is skipped.
 */
export class ProtobufReader {
  field = 0;
  wire = 0;
  #at: number;
  #valueAt = 0;
  #valueEnd = 0;
  #low = 0;
  #high = 0;
  readonly #view: DataView;
  #end: number;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the next field, false at the end. Throws on a cut or impossible field. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    this.#readVarint();
    const tag = this.#low;
    if (this.#high !== 0 || tag >>> 3 === 0) throw failure(OP, `bad field tag at byte ${this.#at}`, HINT);
    this.field = tag >>> 3;
    this.wire = tag & 7;
    if (this.wire === WIRE_VARINT) {
      this.#readVarint();
    } else if (this.wire === WIRE_BYTES) {
      this.#readVarint();
      if (this.#high !== 0 || this.#low > this.#end - this.#at) {
        throw failure(
          OP,
          `field ${this.field} claims ${this.#high * 2 ** 32 + this.#low} bytes, ${this.#end - this.#at} are left`,
          HINT,
        );
      }
      this.#valueAt = this.#at;
      this.#at += this.#low;
    } else if (this.wire === WIRE_FIXED32 || this.wire === WIRE_FIXED64) {
      this.#valueAt = this.#at;
      this.#at += this.wire === WIRE_FIXED32 ? 4 : 8;
      if (this.#at > this.#end) throw failure(OP, `field ${this.field} is cut short`, HINT);
    } else {
      throw failure(OP, `field ${this.field} has wire type ${this.wire}`, HINT);
    }
    this.#valueEnd = this.#at;
    return true;
  }

  /**
   * A signed 32-bit value; negative ones are written as ten bytes, of which the low 32 bits count.
   */
  int32(): number {
    this.#expect(WIRE_VARINT);
    return this.#low | 0;
  }

  uint64(): number {
    this.#expect(WIRE_VARINT);
    return this.#high * 2 ** 32 + this.#low;
  }

  bool(): boolean {
    this.#expect(WIRE_VARINT);
    return this.#low !== 0 || this.#high !== 0;
  }

  float(): number {
    this.#expect(WIRE_FIXED32);
    return this.#view.getFloat32(this.#valueAt, true);
  }

  /** The place of a bytes, string or message field in `bytes`. */
  range(): { start: number; end: number } {
    this.#expect(WIRE_BYTES);
    return { start: this.#valueAt, end: this.#valueEnd };
  }

  rangeStart(): number {
    this.#expect(WIRE_BYTES);
    return this.#valueAt;
  }

  rangeEnd(): number {
    return this.#valueEnd;
  }

  string(): string {
    this.#expect(WIRE_BYTES);
    return decodeUtf8(this.bytes.subarray(this.#valueAt, this.#valueEnd));
  }

  message(): ProtobufReader {
    this.#expect(WIRE_BYTES);
    return new ProtobufReader(this.bytes, this.#valueAt, this.#valueEnd);
  }

  /**
   * Walks another part of the same bytes with this reader (saves one object for each of 32,000
   * small messages).
   */
  enter(start: number, end: number): void {
    if (end > this.bytes.length)
      throw failure(OP, `message of ${end} bytes in a file of ${this.bytes.length}`, HINT);
    this.#at = start;
    this.#end = end;
  }

  #expect(wire: number): void {
    if (this.wire !== wire)
      throw failure(OP, `field ${this.field} has wire type ${this.wire}, expected ${wire}`, HINT);
  }

  #readVarint(): void {
    const first = this.bytes[this.#at];
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++;
      this.#low = first;
      this.#high = 0;
      return;
    }
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw failure(OP, `the data ends inside a number at byte ${this.#at}`, HINT);
      const byte = this.bytes[this.#at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw failure(OP, `a number at byte ${this.#at} has more than ten bytes`, HINT);
  }
}

/** Builds one message; nested messages are given as finished bytes. */
export class ProtobufWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  int32(field: number, value: number): this {
    this.#tag(field, WIRE_VARINT);
    this.#varint(value < 0 ? BigInt.asUintN(64, BigInt(value)) : BigInt(value));
    return this;
  }

  bool(field: number, value: boolean): this {
    return this.int32(field, value ? 1 : 0);
  }

  float(field: number, value: number): this {
    this.#tag(field, WIRE_FIXED32);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
    return this;
  }

  string(field: number, value: string): this {
    return this.raw(field, encodeUtf8(value));
  }

  raw(field: number, value: Uint8Array): this {
    this.#tag(field, WIRE_BYTES);
    this.#varint(BigInt(value.length));
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #tag(field: number, wire: number): void {
    this.#varint(BigInt(field * 8 + wire));
  }

  #varint(value: bigint): void {
    this.#reserve(10);
    while (value >= 0x80n) {
      this.#bytes[this.#length++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.#bytes[this.#length++] = Number(value);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
