/**
 * Normalizers, pre-tokenizers and decoders of a tokenizer.json (tokenizers 0.23) as the steps that
 * this package runs.
 */
import { GPT2_PATTERN } from '../byte-level/patterns.ts';
import { failure } from '../errors.ts';
import { literalExpression } from '../text/expression.ts';
import type { NormalizerStep } from '../text/normalizers.ts';
import type { PrefixStep, SplitBehavior, SplitStep } from '../text/splitter.ts';
import { list, object, shown, type Json, type JsonObject } from './json.ts';

export const OP = 'readTokenizerJson';

export function unsupported(what: string): Error {
  return failure(OP, `${what} is not supported`, 'the README of @cria/tokenizer lists what is');
}

/** The steps of a part that may be a `Sequence`; none where it is absent. */
export function stepsOf(part: Json | undefined, listName: string): JsonObject[] {
  const step = object(part);
  if (step === undefined) return [];
  if (step['type'] !== 'Sequence') return [step];
  return list(OP, step[listName]).flatMap((item) => stepsOf(item, listName));
}

const PLAIN_NORMALIZERS = ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents'] as const;

export function normalizerStep(step: JsonObject): NormalizerStep {
  const plain = PLAIN_NORMALIZERS.find((type) => type === step['type']);
  if (plain !== undefined) return { type: plain };
  switch (step['type']) {
    case 'Strip':
      return { type: 'Strip', left: step['strip_left'] !== false, right: step['strip_right'] !== false };
    case 'Replace': {
      const { content } = step;
      if (typeof content !== 'string') throw unsupported(`the normalizer ${shown(step)}`);
      return { type: 'Replace', pattern: expressionOf(step['pattern']), content };
    }
    case 'Precompiled': {
      const map = step['precompiled_charsmap'];
      if (typeof map !== 'string') throw unsupported(`the normalizer ${shown(step)}`);
      return { type: 'Precompiled', map };
    }
    case 'Prepend': {
      const { prepend } = step;
      if (typeof prepend !== 'string') throw unsupported(`the normalizer ${shown(step)}`);
      return { type: 'Prepend', prepend };
    }
    default:
      throw unsupported(`the normalizer ${shown(step)}`);
  }
}

/** `{String: …}` is literal, `{Regex: …}` an expression. */
function expressionOf(pattern: Json | undefined): string {
  const literal = typeof pattern === 'string' ? pattern : object(pattern)?.['String'];
  if (typeof literal === 'string') return literalExpression(literal);
  const expression = object(pattern)?.['Regex'];
  if (typeof expression === 'string') return expression;
  throw unsupported(`the pattern ${shown(pattern)}`);
}

const BEHAVIORS: Readonly<Record<string, SplitBehavior>> = {
  Isolated: 'isolated',
  Removed: 'removed',
  MergedWithPrevious: 'merged_with_previous',
  MergedWithNext: 'merged_with_next',
  Contiguous: 'contiguous',
};

function behaviorOf(step: JsonObject): SplitBehavior {
  const behavior = BEHAVIORS[String(step['behavior'] ?? 'Isolated')];
  if (behavior === undefined) throw unsupported(`the behavior ${shown(step['behavior'])}`);
  return behavior;
}

const PUNCTUATION = '[!-\\/:-@\\[-`{-~]|\\p{P}';

/**
 * One pre-tokenizer that cuts; `ByteLevel` without what it does to bytes. `Metaspace` is the
 * caller's.
 */
export function splitSteps(step: JsonObject): (SplitStep | PrefixStep)[] {
  switch (step['type']) {
    case 'Split':
      return [
        {
          pattern: expressionOf(step['pattern']),
          behavior: behaviorOf(step),
          ...(step['invert'] === true ? { invert: true } : {}),
        },
      ];
    case 'Digits':
      return [
        { pattern: '\\p{N}', behavior: step['individual_digits'] === true ? 'isolated' : 'contiguous' },
      ];
    case 'Punctuation':
      return [{ pattern: PUNCTUATION, behavior: behaviorOf(step) }];
    case 'Whitespace':
      return [{ pattern: '\\w+|[^\\w\\s]+', behavior: 'removed', invert: true }];
    case 'WhitespaceSplit':
      return [{ pattern: '\\s', behavior: 'removed' }];
    case 'BertPreTokenizer':
      return [
        { pattern: '\\s', behavior: 'removed' },
        { pattern: PUNCTUATION, behavior: 'isolated' },
      ];
    case 'CharDelimiterSplit':
      return [{ pattern: expressionOf(step['delimiter']), behavior: 'removed' }];
    case 'ByteLevel':
      return [
        ...(step['add_prefix_space'] === false ? [] : [{ prefix: ' ' }]),
        ...(step['use_regex'] === false ? [] : [{ pattern: GPT2_PATTERN }]),
      ];
    default:
      throw unsupported(`the pre-tokenizer ${shown(step)}`);
  }
}

/**
 * Whether the decoder takes a space from the front of a text. Undefined where there is no decoder.
 */
export function decoderStrips(root: JsonObject): boolean | undefined {
  const steps = stepsOf(root['decoder'], 'decoders');
  if (steps.length === 0) return undefined;
  return steps.some(
    (step) =>
      (step['type'] === 'Strip' && step['content'] === ' ' && Number(step['start'] ?? 0) > 0) ||
      (step['type'] === 'Metaspace' && prependScheme(step) !== 'never'),
  );
}

export function prependScheme(metaspace: JsonObject): 'always' | 'first' | 'never' {
  const scheme =
    metaspace['prepend_scheme'] ?? (metaspace['add_prefix_space'] === false ? 'never' : 'always');
  if (scheme !== 'first' && scheme !== 'always' && scheme !== 'never')
    throw unsupported(`prepend_scheme ${shown(scheme)}`);
  return scheme;
}
