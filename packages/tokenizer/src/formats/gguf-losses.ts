/** What of a vocabulary a GGUF file cannot say, and the vocabulary that is left of it there. */
import type { AddedToken } from '../added-tokens.ts';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { USER_DEFINED, type PieceList } from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import type { NormalizerStep } from '../text/normalizers.ts';

const FLAGS = [
  ['lstrip', 'takes the white space before it'],
  ['rstrip', 'takes the white space behind it'],
  ['singleWord', 'is found only as a word of its own'],
] as const;

/** Names of things that decide ids and have no place in GGUF. None: nothing is lost. */
export function ggufLosses(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer): string[] {
  const { addedTokens, options } = tokenizer;
  const flags = addedTokens.flatMap((token) =>
    FLAGS.filter(([flag]) => token[flag] === true).map(
      ([, what]) => `that ${JSON.stringify(token.content)} ${what}`,
    ),
  );
  const steps = (options.normalizer ?? []).filter((step) => !isSpaceRule(tokenizer, step));
  return [...flags, ...steps.map((step) => `the normalizer ${describe(step)}`)];
}

/** Among pieces, the steps that put a space in front and write spaces as `▁` are a setting of the file. */
function isSpaceRule(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer, step: NormalizerStep): boolean {
  if (!(tokenizer instanceof SentencePieceTokenizer)) return false;
  if (step.type === 'Prepend') return step.prepend === '▁';
  return step.type === 'Replace' && step.pattern === ' ' && step.content === '▁';
}

function describe(step: NormalizerStep): string {
  const { type, ...rest } = step;
  const values = Object.values(rest).map((value) => JSON.stringify(value).slice(0, 40));
  return values.length === 0 ? type : `${type} (${values.join(', ')})`;
}

/** A user-defined piece as it stands in a text: llama.cpp looks for it before spaces become `▁`. */
export function symbolText(pieces: PieceList, id: number): string {
  return pieces.name(id).replaceAll('▁', ' ');
}

/**
 * The vocabulary with its user-defined pieces as llama.cpp reads them: they cut a text as added
 * tokens do, so that a dummy space goes before what follows them. The same one where it has none.
 */
export function withSymbolsAsTokens(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
): SentencePieceTokenizer | ByteLevelTokenizer {
  if (!(tokenizer instanceof SentencePieceTokenizer)) return tokenizer;
  const { pieces } = tokenizer.model;
  const known = new Set(tokenizer.addedTokens.map(({ id }) => id));
  const symbols: AddedToken[] = [];
  pieces.types.forEach((type, id) => {
    if (type === USER_DEFINED && !known.has(id)) symbols.push({ id, content: symbolText(pieces, id) });
  });
  if (symbols.length === 0) return tokenizer;
  const addedTokens = [...tokenizer.addedTokens, ...symbols].sort((a, b) => a.id - b.id);
  return new SentencePieceTokenizer(tokenizer.model, { ...tokenizer.options, addedTokens });
}
