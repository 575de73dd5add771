/**
 * Guesses what comes next. A guess costs rows of a step and nothing else: every id is chosen from the
 * model's logits as without it, and the guess only decides for how many of them one pass is enough.
 */
export interface Proposer {
  /** Up to `most` ids that may follow; none where there is nothing to go by. */
  propose(ids: Int32Array, most: number): ArrayLike<number>;
}

/**
 * What followed when the last ids stood in the text before: for edits, quotations and loops. The
 * longest beginning that is found counts, of `longest` ids down to `shortest`, the latest of
 * several (prompt lookup; Saxena 2023).
 */
export class NgramProposer implements Proposer {
  readonly #longest: number;
  readonly #shortest: number;

  constructor(longest: number, shortest = Math.min(2, longest)) {
    this.#longest = longest;
    this.#shortest = shortest;
  }

  propose(ids: Int32Array, most: number): Int32Array {
    for (let n = this.#longest; n >= this.#shortest; n--) {
      const at = lastBefore(ids, n);
      if (at >= 0) return ids.slice(at + n, at + n + most);
    }
    return new Int32Array(0);
  }
}

/** Where the last `n` ids stood before, the latest place; −1 where they did not. */
function lastBefore(ids: Int32Array, n: number): number {
  const end = ids.length - n;
  for (let at = end - 1; at >= 0; at--) {
    let same = 0;
    while (same < n && ids[at + same] === ids[end + same]) same++;
    if (same === n) return at;
  }
  return -1;
}
