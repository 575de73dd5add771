/** No frame beneath: where this is left, the text may end. */
export const BOTTOM = -1;

/**
 * Stacks as linked frames, equal ones stored once: a stack is the number of its top
 * frame. A frame is a state, the turns its repetition still must and may take, and
 * the frame beneath.
 */
export class Frames {
  readonly state: Ints = new Ints();
  readonly min: Ints = new Ints();
  readonly max: Ints = new Ints();
  readonly parent: Ints = new Ints();
  /** Frames beneath. */
  readonly depth: Ints = new Ints();
  #table: Int32Array = new Int32Array(1024).fill(-1);

  get count(): number {
    return this.state.length;
  }

  of(state: number, min: number, max: number, parent: number): number {
    let at = this.#slot(state, min, max, parent);
    const known = this.#table[at]!;
    if (known >= 0) return known;
    if (this.count * 2 > this.#table.length) {
      this.#grow();
      at = this.#slot(state, min, max, parent);
    }
    const frame = this.count;
    this.#table[at] = frame;
    this.state.push(state);
    this.min.push(min);
    this.max.push(max);
    this.parent.push(parent);
    this.depth.push(parent === BOTTOM ? 0 : this.depth.at(parent) + 1);
    return frame;
  }

  /** Where the frame is in the table, or the free place that it would take. */
  #slot(state: number, min: number, max: number, parent: number): number {
    const mask = this.#table.length - 1;
    let hash = Math.imul(state, 0x9e3779b1) ^ Math.imul(parent, 0x85ebca6b);
    hash ^= Math.imul(min, 0xc2b2ae35) ^ Math.imul(max, 0x27d4eb2f);
    hash ^= hash >>> 15;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const frame = this.#table[at]!;
      if (frame < 0 || this.#is(frame, state, min, max, parent)) return at;
    }
  }

  #is(frame: number, state: number, min: number, max: number, parent: number): boolean {
    return (
      this.state.at(frame) === state &&
      this.parent.at(frame) === parent &&
      this.min.at(frame) === min &&
      this.max.at(frame) === max
    );
  }

  #grow(): void {
    this.#table = new Int32Array(this.#table.length * 4).fill(-1);
    for (let frame = 0; frame < this.count; frame++) {
      const at = this.#slot(
        this.state.at(frame),
        this.min.at(frame),
        this.max.at(frame),
        this.parent.at(frame),
      );
      this.#table[at] = frame;
    }
  }
}

/** A list of 32-bit numbers that grows. */
export class Ints {
  #items = new Int32Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.#items.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length++] = value;
  }

  at(i: number): number {
    return this.#items[i]!;
  }
}
