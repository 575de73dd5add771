/**
 * Typed arrays that grow. `data` is replaced when they do: read it anew after a `push`, `set` or
 * `resize`.
 */

export class GrowingInts {
  data: Int32Array;
  length = 0;

  constructor(capacity: number) {
    this.data = new Int32Array(Math.max(4, capacity));
  }

  push(value: number): void {
    if (this.length === this.data.length) this.#reserve(this.length + 1);
    this.data[this.length++] = value;
  }

  /** Writes at `index`, which may lie beyond the end (zeros in between). */
  set(index: number, value: number): void {
    if (index >= this.length) this.resize(index + 1);
    this.data[index] = value;
  }

  resize(length: number): void {
    if (length > this.data.length) this.#reserve(length);
    this.length = length;
  }

  #reserve(length: number): void {
    const grown = new Int32Array(Math.max(length, this.data.length * 2));
    grown.set(this.data);
    this.data = grown;
  }
}

export class GrowingFloats {
  data: Float64Array;
  length = 0;

  constructor(capacity: number) {
    this.data = new Float64Array(Math.max(4, capacity));
  }

  push(value: number): void {
    if (this.length === this.data.length) {
      const grown = new Float64Array(this.data.length * 2);
      grown.set(this.data);
      this.data = grown;
    }
    this.data[this.length++] = value;
  }
}
