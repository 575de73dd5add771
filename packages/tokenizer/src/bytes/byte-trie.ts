/**
 * Byte strings by their prefixes: from a place in a text, every entry that begins there. Edges lie
 * in one open-addressing table.
 */

const ROOT = 0;

export class ByteTrie {
  /** Pairs (node · 256 + byte + 1, child); 0 is free. */
  #edges = new Float64Array(2 << 12);
  #mask = (1 << 12) - 1;
  #nodes = 1;
  /** Id of the entry that ends at each node, −1 for none. */
  #ids = new Int32Array(1 << 11).fill(-1);

  get root(): number {
    return ROOT;
  }

  add(bytes: Uint8Array, start: number, end: number, id: number): void {
    let node = ROOT;
    for (let at = start; at < end; at++) {
      const next = this.step(node, bytes[at]);
      node = next >= 0 ? next : this.#grow(node, bytes[at]);
    }
    this.#ids[node] = id;
  }

  /** The node behind a byte, or −1. */
  step(node: number, byte: number): number {
    const edges = this.#edges;
    const key = node * 256 + byte + 1;
    for (let slot = hash(key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = edges[2 * slot];
      if (found === key) return edges[2 * slot + 1];
      if (found === 0) return -1;
    }
  }

  /** Id of the entry that ends at a node, or −1. */
  idAt(node: number): number {
    return this.#ids[node];
  }

  #grow(node: number, byte: number): number {
    if (2 * this.#nodes > this.#mask) this.#widen();
    const child = this.#nodes++;
    if (child === this.#ids.length) {
      const ids = new Int32Array(2 * child).fill(-1);
      ids.set(this.#ids);
      this.#ids = ids;
    }
    this.#put(node * 256 + byte + 1, child);
    return child;
  }

  #put(key: number, child: number): void {
    let slot = hash(key) & this.#mask;
    while (this.#edges[2 * slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#edges[2 * slot] = key;
    this.#edges[2 * slot + 1] = child;
  }

  #widen(): void {
    const old = this.#edges;
    this.#mask = this.#mask * 2 + 1;
    this.#edges = new Float64Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0) this.#put(old[at], old[at + 1]);
  }
}

function hash(key: number): number {
  const h = Math.imul(key | 0, 0x9e3779b1);
  return h ^ (h >>> 15);
}
