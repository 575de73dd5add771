/**
 * What cuts a text into the chunks that merge by themselves: steps as tokenizer.json has them
 * (tokenizers, pre_tokenizers/), each applied to every part that the one before left. The patterns
 * of LLaMA's family have a hand-written scanner (scanners.ts).
 */
import { compileExpression } from './expression.ts';

/** What becomes of the matches of an expression; all but `removed` keep every character. */
export type SplitBehavior =
  'isolated' | 'removed' | 'merged_with_previous' | 'merged_with_next' | 'contiguous';

export interface SplitStep {
  /** An expression (expression.ts). */
  readonly pattern: string;
  /** Default `isolated`: every match is a part, and so is what stands between two. */
  readonly behavior?: SplitBehavior;
  /** What is between the matches counts as the match. Default false. */
  readonly invert?: boolean;
}

/** A text that is put before each part that does not begin with it: `add_prefix_space`. */
export interface PrefixStep {
  readonly prefix: string;
  /** Another beginning that counts as the prefix: a space, where `▁` stands for it. */
  readonly unless?: string;
}

/** One expression stands for one isolated split. */
export type SplitPattern = string | readonly (SplitStep | PrefixStep)[];

/** The same pattern in its shortest form, so that equal rules are written equally. */
export function simplifyPattern(pattern: SplitPattern): SplitPattern {
  if (typeof pattern === 'string') return pattern;
  const steps = pattern.map((step) => {
    if ('prefix' in step) return step;
    const { behavior = 'isolated', invert = false } = step;
    return {
      pattern: step.pattern,
      ...(behavior === 'isolated' ? {} : { behavior }),
      ...(invert ? { invert } : {}),
    };
  });
  const [only, ...others] = steps;
  const isPlain = only !== undefined && others.length === 0 && Object.keys(only).join() === 'pattern';
  return isPlain && 'pattern' in only ? only.pattern : steps;
}

/** A stretch of a part: a match, or what stands between two. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** A function that cuts a text; the parts are never empty. */
export function compileSplitter(pattern: SplitPattern): (text: string) => string[] {
  const steps = typeof pattern === 'string' ? [{ pattern }] : pattern;
  const functions = steps.map((step) => ('prefix' in step ? prefixer(step) : cutter(step)));
  return (text) => functions.reduce<string[]>((parts, cut) => parts.flatMap(cut), text === '' ? [] : [text]);
}

function prefixer({ prefix, unless = prefix }: PrefixStep): (part: string) => string[] {
  return (part) => [part.startsWith(prefix) || part.startsWith(unless) ? part : prefix + part];
}

function cutter({ pattern, behavior = 'isolated', invert = false }: SplitStep): (part: string) => string[] {
  const expression = compileExpression(pattern);
  return (part) => {
    const stretches = stretchesOf(part, expression, invert);
    return join(stretches, behavior).map(({ start, end }) => part.slice(start, end));
  };
}

function stretchesOf(part: string, expression: RegExp, invert: boolean): Stretch[] {
  const stretches: Stretch[] = [];
  let at = 0;
  for (const { index, 0: match } of part.matchAll(expression)) {
    if (index > at) stretches.push({ start: at, end: index, isMatch: invert });
    at = index + match.length;
    if (at > index) stretches.push({ start: index, end: at, isMatch: !invert });
    else if (index > 0 && index < part.length) stretches.push({ start: index, end: index, isMatch: !invert });
  }
  if (at < part.length) stretches.push({ start: at, end: part.length, isMatch: invert });
  return stretches;
}

function join(stretches: readonly Stretch[], behavior: SplitBehavior): Stretch[] {
  const present = (list: readonly Stretch[]): Stretch[] => list.filter(({ start, end }) => end > start);
  switch (behavior) {
    case 'isolated':
      return present(stretches);
    case 'removed':
      return present(stretches.filter(({ isMatch }) => !isMatch));
    case 'contiguous':
      return present(fuse(stretches, (last, next) => last.isMatch === next.isMatch));
    case 'merged_with_previous':
      return present(fuse(stretches, (last, next) => next.isMatch && !last.isMatch));
    case 'merged_with_next': {
      // from the end: a match joins what follows it, unless that is a match too
      const joined: Stretch[] = [];
      let after: Stretch | undefined;
      for (const stretch of [...stretches].reverse()) {
        const last = joined.at(-1);
        if (stretch.isMatch && after?.isMatch === false && last !== undefined)
          joined[joined.length - 1] = { ...last, start: stretch.start };
        else joined.push(stretch);
        after = stretch;
      }
      return present(joined.reverse());
    }
  }
}

/** Joins a stretch to the one before where `joins` says so of the two neighbours. */
function fuse(stretches: readonly Stretch[], joins: (last: Stretch, next: Stretch) => boolean): Stretch[] {
  const joined: Stretch[] = [];
  stretches.forEach((stretch, i) => {
    const last = joined.at(-1);
    if (last !== undefined && joins(stretches[i - 1], stretch))
      joined[joined.length - 1] = { ...last, end: stretch.end };
    else joined.push(stretch);
  });
  return joined;
}
