/**
 * What the ids of one text must obey: a grammar, a schema, a list of choices. Kept by the text; the
 * engine asks before each id and tells what came of it. Whatever it throws ends its text alone.
 */
export interface Constraint {
  /**
   * Sets bit `id % 32` of word `id / 32` for every id that may come next, and clears the others.
   * bits: [⌈V / 32⌉]
   */
  mask(bits: Uint32Array): void;
  /** `id` was chosen, one of those that may come. */
  accept(id: number): void;
  /** Nothing can follow: the text ends here. */
  readonly isComplete: boolean;
}
