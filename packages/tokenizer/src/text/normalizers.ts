/**
 * What a tokenizer.json does to a text before it is cut (tokenizers, normalizers/): each step a
 * plain function of strings.
 */
import { CharacterMap } from './character-map.ts';
import { compileExpression } from './expression.ts';

export type NormalizerStep =
  | { readonly type: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | 'Lowercase' | 'StripAccents' }
  | { readonly type: 'Strip'; readonly left: boolean; readonly right: boolean }
  /** `pattern` is an expression (expression.ts); `content` stands for every match as it is. */
  | { readonly type: 'Replace'; readonly pattern: string; readonly content: string }
  /** A character map in base64, as tokenizers applies it. */
  | { readonly type: 'Precompiled'; readonly map: string }
  /** Before every text that is not empty. */
  | { readonly type: 'Prepend'; readonly prepend: string };

/** One function of all steps, or undefined where there is nothing to do. */
export function compileNormalizer(
  steps: readonly NormalizerStep[] | undefined,
): ((text: string) => string) | undefined {
  if (steps === undefined || steps.length === 0) return undefined;
  const functions = steps.map(stepFunction);
  return (text) => functions.reduce((value, step) => step(value), text);
}

function stepFunction(step: NormalizerStep): (text: string) => string {
  switch (step.type) {
    case 'Lowercase':
      // character by character: a capital sigma at the end of a word is no exception there
      return (text) => Array.from(text, (character) => character.toLowerCase()).join('');
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Strip': {
      const { left, right } = step;
      return (text) => {
        const begun = left ? text.replace(/^\p{White_Space}+/u, '') : text;
        return right ? begun.replace(/\p{White_Space}+$/u, '') : begun;
      };
    }
    case 'Replace': {
      const expression = compileExpression(step.pattern);
      const { content } = step;
      return (text) => text.replace(expression, () => content);
    }
    case 'Precompiled': {
      const map = new CharacterMap(Uint8Array.from(atob(step.map), (character) => character.charCodeAt(0)));
      return (text) => map.replaceGraphemes(text);
    }
    case 'Prepend':
      return (text) => (text === '' ? '' : step.prepend + text);
    default:
      return (text) => text.normalize(step.type);
  }
}
