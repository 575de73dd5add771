/** A part of an answer, in the order in which it is written. */
export type Piece =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  /** A call of a tool begins; calls are counted from 0. */
  | { readonly kind: 'call'; readonly call: number; readonly name: string }
  /** More of its arguments, which are JSON when they are complete. */
  | { readonly kind: 'arguments'; readonly call: number; readonly text: string };

/** Reads a text as it comes. What may be part of something else is held back until it is certain. */
export interface PieceReader {
  push(text: string): Piece[];
  /** No more text comes: what was held back is what it looks like. */
  end(): Piece[];
}

/** Where a tag is in a text, or how much at its end could be the tag's beginning. */
export function findTag(text: string, tag: string): { readonly at: number } | { readonly held: number } {
  const at = text.indexOf(tag);
  if (at >= 0) return { at };
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--)
    if (text.endsWith(tag.slice(0, length))) return { held: length };
  return { held: 0 };
}

/** The white space at the end of a text that does not count when something follows. */
export function spaceAtEnd(text: string): number {
  return text.length - text.trimEnd().length;
}

export function contentOf(text: string): Piece[] {
  return text === '' ? [] : [{ kind: 'content', text }];
}
