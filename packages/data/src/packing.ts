import { IGNORE_TARGET } from '@cria/tensor';
import type { Sample } from './options.ts';

/** A piece of a token stream. */
export interface Window {
  /** Tokens of the window, and the one after it if there is one: T + 1 or fewer. */
  readonly tokens: ArrayLike<number>;
  /** Places of the window at which a document starts, ascending; T stands for the token after it. */
  readonly starts: readonly number[];
}

/**
 * T tokens of a stream of documents laid end to end, as a training sample. A segment begins at
 * every start of a document and at the start of the window, so a document that was cut goes on in a
 * segment of its own. The target of a token is the next one of its document: the last of a document
 * predicts nothing, the last of a window that is cut predicts the token that the next window begins
 * with. What the stream lacks at its end is filled with `padding` in a segment that predicts
 * nothing.
 */
export function packWindow({ tokens, starts }: Window, contextLength: number, padding: number): Sample {
  const length = Math.min(tokens.length, contextLength);
  const input = new Int32Array(contextLength).fill(padding);
  const targets = new Int32Array(contextLength).fill(IGNORE_TARGET);
  for (let t = 0; t < length; t++) input[t] = tokens[t] ?? padding;
  for (let t = 0; t < length && t + 1 < tokens.length; t++) targets[t] = tokens[t + 1] ?? IGNORE_TARGET;
  const segments = [0];
  for (const start of starts) {
    if (start > 0) targets[start - 1] = IGNORE_TARGET;
    if (start > 0 && start < length) segments.push(start);
  }
  if (length < contextLength) segments.push(length);
  segments.push(contextLength);
  return { tokens: input, targets, segments: Int32Array.from(segments) };
}

/** Index of the first element that is not below `value`, in ascending numbers. */
export function lowerBound(numbers: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
