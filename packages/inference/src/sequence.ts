/**
 * One text being generated, as the scheduler sees it: its ids so far, how many of them the cache
 * holds, and the blocks that hold them. The rule of the whole engine: each step, `computed` catches
 * up with `length`; when it has, one more id is sampled.
 */
export class Sequence {
  /** Length of the prompt in tokens. */
  readonly promptLength: number;
  /** Cache blocks, in the order of the text. */
  readonly blocks: number[] = [];
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  state: 'waiting' | 'running' | 'finished' = 'waiting';
  #ids: Int32Array;
  #length: number;

  constructor(prompt: ArrayLike<number>) {
    this.promptLength = prompt.length;
    this.#length = prompt.length;
    this.#ids = new Int32Array(Math.max(64, prompt.length * 2));
    this.#ids.set(prompt);
  }

  /** Prompt and generated tokens. */
  get length(): number {
    return this.#length;
  }

  get generated(): number {
    return this.#length - this.promptLength;
  }

  /** Tokens the model has still to see. 0 only between sampling nothing and finishing. */
  get pending(): number {
    return this.#length - this.computed;
  }

  /** A view of all ids, valid until the next `append`. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#length);
  }

  append(id: number): void {
    if (this.#length === this.#ids.length) {
      const longer = new Int32Array(this.#ids.length * 2);
      longer.set(this.#ids);
      this.#ids = longer;
    }
    this.#ids[this.#length++] = id;
  }
}
