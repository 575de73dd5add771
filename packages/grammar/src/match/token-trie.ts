import { checkOptions, fail } from '../errors.ts';

export interface TokenTrieOptions {
  /**
   * Ids that end the text: allowed exactly where it may end. Their bytes count for
   * nothing. Default none.
   */
  readonly endIds?: readonly number[];
  /**
   * Ids that are never allowed, such as control tokens. Default none; tokens
   * without bytes never are.
   */
  readonly excluded?: Iterable<number>;
}

/**
 * A vocabulary as a tree of bytes, made once and used by every grammar. Nodes lie
 * in preorder, so that a walk reads memory forwards and skips a subtree by one
 * jump.   N nodes, V ids
 */
export class TokenTrie {
  /**
   * Bits of a mask are one an id, from the lowest of the first word on.   words =
   * ⌈V / 32⌉
   */
  readonly vocabSize: number;
  readonly words: number;
  readonly endIds: readonly number[];
  /** Last byte of the path to each node, and its length.   [N] */
  readonly byteOf: Uint8Array;
  readonly depthOf: Uint16Array;
  /** The node after the subtree of each.   [N] */
  readonly skip: Int32Array;
  /**
   * Ids of a node n lie at `idAt[n]` to `idAt[n + 1]` of `ids`.   [N + 1], [tokens]
   */
  readonly idAt: Int32Array;
  readonly ids: Int32Array;
  /** Bytes of the longest token. */
  readonly longest: number;
  #bytes: readonly (Uint8Array | undefined)[];

  /** `tokens`: bytes by id. */
  static of(tokens: readonly (Uint8Array | undefined)[], options: TokenTrieOptions = {}): TokenTrie {
    return new TokenTrie(tokens, options);
  }

  private constructor(tokens: readonly (Uint8Array | undefined)[], options: TokenTrieOptions) {
    checkOptions('TokenTrie', options, ['endIds', 'excluded']);
    this.vocabSize = tokens.length;
    this.words = Math.ceil(tokens.length / 32);
    this.endIds = [...(options.endIds ?? [])];
    const never = new Set([...this.endIds, ...(options.excluded ?? [])]);
    for (const id of never) {
      if (Number.isInteger(id) && id >= 0 && id < tokens.length) continue;
      fail(
        'TokenTrie',
        `id ${id} is not in a vocabulary of ${tokens.length}.`,
        'give ids of the tokens passed',
      );
    }
    this.#bytes = tokens.map((bytes, id) =>
      bytes && bytes.length > 0 && !never.has(id) ? bytes : undefined,
    );
    const nodes = new Nodes(this.#bytes);
    this.byteOf = Uint8Array.from(nodes.byteOf);
    this.depthOf = Uint16Array.from(nodes.depthOf);
    this.skip = Int32Array.from(nodes.skip);
    this.idAt = Int32Array.from(nodes.idAt);
    this.ids = Int32Array.from(nodes.ids);
    this.longest = nodes.depthOf.reduce((most, depth) => Math.max(most, depth), 0);
  }

  /** Of an id that may be allowed; undefined for all others. */
  bytesOf(id: number): Uint8Array | undefined {
    return this.#bytes[id];
  }
}

/** Most bytes of a token: depths are 16 bits wide. */
const LONGEST = 65_535;

/**
 * Preorder from the sorted tokens: each shares with the one before it what their
 * beginnings have in common.
 */
class Nodes {
  readonly byteOf: number[] = [];
  readonly depthOf: number[] = [];
  readonly skip: number[] = [];
  readonly idAt: number[] = [];
  readonly ids: number[] = [];

  constructor(tokens: readonly (Uint8Array | undefined)[]) {
    const idsOf = new Map<string, number[]>();
    for (const [id, bytes] of tokens.entries()) {
      if (bytes === undefined) continue;
      if (bytes.length > LONGEST)
        fail('TokenTrie', `token ${id} has ${bytes.length} bytes.`, `the most is ${LONGEST}`);
      const key = latin1(bytes);
      const same = idsOf.get(key);
      if (same) same.push(id);
      else idsOf.set(key, [id]);
    }
    // Without a comparison of ours: a third less time for all. Units of one byte each are in the
    // order of bytes.
    const sorted = [...idsOf.keys()].sort();
    const open: number[] = [];
    let before = '';
    for (const key of sorted) {
      let shared = 0;
      while (shared < before.length && before.charCodeAt(shared) === key.charCodeAt(shared)) shared++;
      this.#close(open, shared);
      for (let depth = shared; depth < key.length; depth++) {
        this.idAt.push(this.ids.length);
        this.depthOf.push(depth + 1);
        open.push(this.byteOf.push(key.charCodeAt(depth)) - 1);
      }
      this.ids.push(...idsOf.get(key)!);
      before = key;
    }
    this.#close(open, 0);
    this.idAt.push(this.ids.length);
  }

  #close(open: number[], length: number): void {
    while (open.length > length) this.skip[open.pop()!] = this.byteOf.length;
  }
}

/** A character a byte; strings compare faster than arrays. */
function latin1(bytes: Uint8Array): string {
  let string = '';
  for (let i = 0; i < bytes.length; i += 1024) string += String.fromCharCode(...bytes.subarray(i, i + 1024));
  return string;
}
