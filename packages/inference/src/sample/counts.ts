/** Which ids penalties count. */
export interface CountRule {
  /** Only the last n ids; undefined: all of them. */
  readonly lastN: number | undefined;
  /** Ids of the prompt count for presence and frequency too. */
  readonly prompt: boolean;
}

/**
 * How often ids occurred in a text, kept from token to token: each id that occurred has a slot, in
 * no order, and the slots are typed arrays that go to a device as they are.
 */
export class Counts {
  readonly #rule: CountRule;
  #slots = new Map<number, number>();
  #size = 0;
  #ids = new Int32Array(64);
  /** What presence and frequency count, and all occurrences. */
  #times = new Int32Array(64);
  #all = new Int32Array(64);
  /** Ids of the text that were counted, and of these those that have left the window. */
  #counted = 0;
  #dropped = 0;

  constructor(rule: CountRule) {
    this.#rule = rule;
  }

  /** Ids that occurred, each once. Valid until the next `follow`. */
  get seen(): Int32Array {
    return this.#ids.subarray(0, this.#size);
  }

  /** How often presence and frequency count each of `seen`: 0 where only the prompt has it. */
  get times(): Int32Array {
    return this.#times.subarray(0, this.#size);
  }

  /** Counts what is new of a text that only grows; begins anew with one that became shorter. */
  follow(ids: ArrayLike<number>, promptLength: number): void {
    if (ids.length < this.#counted) this.#clear();
    const { lastN = Infinity, prompt } = this.#rule;
    const first = Math.max(0, ids.length - lastN);
    const countsFor = (at: number) => (prompt || at >= promptLength ? 1 : 0);
    for (let at = Math.max(this.#counted, first); at < ids.length; at++)
      this.#add(ids[at]!, 1, countsFor(at));
    const left = Math.min(first, this.#counted);
    for (let at = this.#dropped; at < left; at++) this.#add(ids[at]!, -1, -countsFor(at));
    this.#counted = ids.length;
    this.#dropped = first;
  }

  #add(id: number, all: number, times: number): void {
    const slot = this.#slots.get(id) ?? this.#open(id);
    this.#all[slot]! += all;
    this.#times[slot]! += times;
    if (this.#all[slot] === 0) this.#close(id, slot);
  }

  #open(id: number): number {
    const slot = this.#size++;
    if (slot === this.#ids.length) {
      this.#ids = longer(this.#ids);
      this.#times = longer(this.#times);
      this.#all = longer(this.#all);
    }
    this.#ids[slot] = id;
    this.#times[slot] = this.#all[slot] = 0;
    this.#slots.set(id, slot);
    return slot;
  }

  /** The last slot takes the place of one that is empty. */
  #close(id: number, slot: number): void {
    const last = --this.#size;
    this.#slots.delete(id);
    if (slot === last) return;
    const moved = this.#ids[last]!;
    this.#ids[slot] = moved;
    this.#times[slot] = this.#times[last]!;
    this.#all[slot] = this.#all[last]!;
    this.#slots.set(moved, slot);
  }

  #clear(): void {
    this.#slots.clear();
    this.#size = this.#counted = this.#dropped = 0;
  }
}

function longer(values: Int32Array): Int32Array<ArrayBuffer> {
  const twice = new Int32Array(2 * values.length);
  twice.set(values);
  return twice;
}
