/** Added tokens, normalizers and pre-tokenizers in the words of a tokenizer.json. */
import type { AddedToken } from '../added-tokens.ts';
import { failure } from '../errors.ts';
import type { NormalizerStep } from '../text/normalizers.ts';
import type { SplitBehavior, SplitStep } from '../text/splitter.ts';

/** What differs between the kinds of vocabularies. */
export interface WrittenParts {
  readonly normalizers: readonly object[];
  readonly preTokenizers: readonly object[];
  readonly decoders: readonly object[];
  readonly model: object;
}

export function cannot(why: string): Error {
  return failure('writeTokenizerJson', why, 'keep this vocabulary in its own format');
}

export function addedTokenJson(token: AddedToken): object {
  const { id, content } = token;
  return {
    id,
    content,
    single_word: token.singleWord === true,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    normalized: token.normalized === true,
    special: token.special === true,
  };
}

/** None, one, or a `Sequence` of steps. */
export function bySequence(steps: readonly object[], name: string): object | null {
  const [first, ...others] = steps;
  if (first === undefined) return null;
  return others.length === 0 ? first : { type: 'Sequence', [name]: steps };
}

export function normalizerJson(step: NormalizerStep): object {
  switch (step.type) {
    case 'Strip':
      return { type: 'Strip', strip_left: step.left, strip_right: step.right };
    case 'Replace':
      return step.pattern === ' '
        ? { type: 'Replace', pattern: { String: ' ' }, content: step.content }
        : { type: 'Replace', pattern: { Regex: step.pattern }, content: step.content };
    case 'Precompiled':
      return { type: 'Precompiled', precompiled_charsmap: step.map };
    default:
      return step;
  }
}

const BEHAVIORS: Readonly<Record<SplitBehavior, string>> = {
  isolated: 'Isolated',
  removed: 'Removed',
  merged_with_previous: 'MergedWithPrevious',
  merged_with_next: 'MergedWithNext',
  contiguous: 'Contiguous',
};

export function splitJson({ pattern, behavior = 'isolated', invert = false }: SplitStep): object {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: BEHAVIORS[behavior], invert };
}
