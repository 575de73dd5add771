/**
 * A set of texts as a byte automaton with calls: plain arrays, so that it can be
 * compiled in one thread and used in another. States of all rules are numbered
 * together.   S states
 *
 * A frame is a state with two numbers: how often a counted repetition must, and
 * may, still turn. Calls put a frame on the stack, ends take it off.
 */
export interface Grammar {
  readonly kind: 'cria-grammar';
  readonly version: 1;
  readonly start: number;
  /** First byte of each class of bytes that no state tells apart. */
  readonly starts: Uint8Array;
  /** What each state is: a sum of `flags`.   [S] */
  readonly flags: Uint8Array;
  /**
   * Byte arrows of a state s lie at `arrowAt[s]` to `arrowAt[s + 1]`: first and
   * last class, and target.
   */
  readonly arrowAt: Int32Array;
  readonly arrowLow: Uint8Array;
  readonly arrowHigh: Uint8Array;
  readonly arrowTo: Int32Array;
  /** Arrows without a byte. */
  readonly hopAt: Int32Array;
  readonly hopTo: Int32Array;
  /**
   * Calls: the state that the callee begins with, the counter it is given, and the
   * state that follows.
   */
  readonly callAt: Int32Array;
  readonly callTo: Int32Array;
  readonly callMin: Int32Array;
  readonly callMax: Int32Array;
  readonly callReturn: Int32Array;
  /** Frames that must be put on top of a state's own before its rule can end. */
  readonly need: Int32Array;
}

export const flags = {
  /** The rule may end here. */
  final: 1,
  /**
   * A turn of a repetition begins: the rule may end where no more turns are due,
   * and go on where one more is allowed.
   */
  head: 2,
  /** A turn has ended: hops count it. */
  step: 4,
  /** The rule ends here and does nothing else: such frames need not be kept. */
  tail: 8,
} as const;

/** `callMax` without end. */
export const ENDLESS = 0x7fffffff;
