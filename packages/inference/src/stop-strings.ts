/** One node of the automaton: the longest suffix of the text so far that begins some stop string. */
interface Node {
  /** Length of that suffix. */
  readonly depth: number;
  readonly next: Map<number, Node>;
  /** The longest proper suffix of this one that also begins a stop string. */
  fallback: Node | undefined;
  /** Length of the longest stop string that ends here; 0 when none does. */
  match: number;
}

/**
 * Finds stop strings in a text that arrives in pieces (Aho and Corasick 1975, over UTF-16 units). Text is held back exactly while it
 * could still become part of a stop string: what is held is the longest suffix that begins one. The match that ends first wins,
 * and of those that end together the longest; neither depends on how the text was cut into pieces.
 */
export class StopStrings {
  #root: Node;
  #node: Node;
  #held = '';

  /** `strings` are well-formed and not empty (`checkStopStrings`). */
  constructor(strings: readonly string[]) {
    this.#root = build(strings);
    this.#node = this.#root;
  }

  /** Text that is certain not to belong to a stop string; `stopped` when one is complete, and nothing after it counts. */
  push(text: string): { text: string; stopped: boolean } {
    const start = this.#held.length;
    const all = this.#held + text;
    for (let i = start; i < all.length; i++) {
      this.#node = advance(this.#root, this.#node, all.charCodeAt(i));
      if (this.#node.match > 0) {
        this.#held = '';
        return { text: all.slice(0, i + 1 - this.#node.match), stopped: true };
      }
    }
    const certain = all.length - this.#node.depth;
    this.#held = all.slice(certain);
    return { text: all.slice(0, certain), stopped: false };
  }

  /** The text ends here: what was held back. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    this.#node = this.#root;
    return held;
  }
}

function advance(root: Node, from: Node, unit: number): Node {
  for (let node: Node | undefined = from; node; node = node.fallback) {
    const next = node.next.get(unit);
    if (next) return next;
  }
  return root;
}

function build(strings: readonly string[]): Node {
  const root: Node = { depth: 0, next: new Map(), fallback: undefined, match: 0 };
  for (const string of strings) {
    let node = root;
    for (let i = 0; i < string.length; i++) {
      const unit = string.charCodeAt(i);
      const child: Node = node.next.get(unit) ?? {
        depth: node.depth + 1,
        next: new Map(),
        fallback: undefined,
        match: 0,
      };
      node.next.set(unit, child);
      node = child;
    }
    node.match = string.length;
  }
  linkFallbacks(root);
  return root;
}

/** Breadth first, so that the fallback of a node is complete before the node's children need it. */
function linkFallbacks(root: Node): void {
  const queue = [root];
  for (const node of queue) {
    for (const [unit, child] of node.next) {
      child.fallback = node.fallback ? advance(root, node.fallback, unit) : root;
      child.match ||= child.fallback.match;
      queue.push(child);
    }
  }
}
