/**
 * What a request may ask to stop at. Every generated character is compared with every string, and
 * each keeps 4 bytes a character: bounded, so that a request costs next to nothing beside its text.
 */
export const stopLimits = {
  strings: 32,
  /** UTF-16 units of all strings together. */
  length: 4096,
} as const;

/**
 * Finds stop strings in a text that arrives in pieces. Text is held back exactly while it could
 * still become part of a stop string: what is held is the longest suffix that begins one. The match
 * that ends first wins, and of those that end together the longest; neither depends on how the text
 * was cut into pieces.
 */
export class StopStrings {
  #patterns: readonly Pattern[];
  #held = '';

  /** `strings` are well-formed and not empty (`resolveText` sees to it, and to `stopLimits`). */
  constructor(strings: readonly string[]) {
    this.#patterns = strings.map((string) => new Pattern(string));
  }

  /**
   * Text that is certain not to belong to a stop string; `stopped` when one is complete, and
   * nothing after it counts.
   */
  push(text: string): { text: string; stopped: boolean } {
    if (this.#patterns.length === 0) return { text, stopped: false };
    const start = this.#held.length;
    const all = this.#held + text;
    for (let i = start; i < all.length; i++) {
      const match = this.#advance(all.charCodeAt(i));
      if (match > 0) {
        this.#held = '';
        return { text: all.slice(0, i + 1 - match), stopped: true };
      }
    }
    const certain = all.length - Math.max(...this.#patterns.map((pattern) => pattern.matched));
    this.#held = all.slice(certain);
    return { text: all.slice(0, certain), stopped: false };
  }

  /** The text ends here: what was held back. */
  end(): string {
    const held = this.#held;
    this.#held = '';
    for (const pattern of this.#patterns) pattern.matched = 0;
    return held;
  }

  /** Length of the longest string that ends with this unit; 0 where none does. */
  #advance(unit: number): number {
    let longest = 0;
    for (const pattern of this.#patterns) {
      pattern.advance(unit);
      const { length } = pattern.string;
      if (pattern.matched === length && length > longest) longest = length;
    }
    return longest;
  }
}

/** One string, and how much of it the text so far ends with (Knuth, Morris and Pratt 1977, over UTF-16 units). */
class Pattern {
  readonly string: string;
  /** Units at the end of the text that are the beginning of the string. */
  matched = 0;
  /** borders[m]: the longest beginning of the first m units that is also their end, and shorter.     [length + 1] */
  #borders: Int32Array;

  constructor(string: string) {
    this.string = string;
    this.#borders = new Int32Array(string.length + 1);
    for (let m = 2; m <= string.length; m++) {
      this.#borders[m] = this.#longer(this.#borders[m - 1] ?? 0, string.charCodeAt(m - 1));
    }
  }

  advance(unit: number): void {
    this.matched = this.#longer(this.matched, unit);
  }

  /** What is matched after `unit`, when `matched` units were before it. */
  #longer(matched: number, unit: number): number {
    let m = matched;
    // A whole match has no next unit (NaN, equal to nothing), so it falls back to its border.
    while (m > 0 && this.string.charCodeAt(m) !== unit) m = this.#borders[m] ?? 0;
    return this.string.charCodeAt(m) === unit ? m + 1 : 0;
  }
}
