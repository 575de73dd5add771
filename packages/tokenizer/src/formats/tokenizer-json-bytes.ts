/** A tokenizer.json with BPE over bytes. */
import type { AddedToken } from '../added-tokens.ts';
import { resolveMerges } from '../bpe/merge-list.ts';
import { requireAlphabetBytes } from '../byte-level/byte-alphabet.ts';
import { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { compileNormalizer, type NormalizerStep } from '../text/normalizers.ts';
import { simplifyPattern } from '../text/splitter.ts';
import { list, shown } from './json.ts';
import type { TokenizerJsonParts } from './tokenizer-json-roles.ts';
import { normalizerStep, OP, splitSteps, stepsOf, unsupported } from './tokenizer-json-steps.ts';

export function readByteLevelJson(parts: TokenizerJsonParts): ByteLevelTokenizer {
  const { root, model, tokens, vocab, roles } = parts;
  const normalizer = stepsOf(root['normalizer'], 'normalizers').map(normalizerStep);
  const added = normalizer.length > 0 ? parts.added : plainWhereEqual(parts.added);
  const literal = new Set(added.map(({ id }) => id));
  const spelled = spelledNames(added, normalizer);
  const pre = stepsOf(root['pre_tokenizer'], 'pretokenizers');
  if (pre.at(-1)?.['type'] !== 'ByteLevel')
    throw unsupported(`${shown(pre.at(-1))} behind ByteLevel, among the pre-tokenizers`);
  const unkToken = model['unk_token'];
  const missingByteId = typeof unkToken === 'string' ? vocab.get(unkToken) : undefined;
  if (missingByteId !== undefined && model['fuse_unk'] === true)
    throw unsupported('fuse_unk in a byte-level vocabulary');
  return new ByteLevelTokenizer({
    tokens: TokenBytes.from(
      tokens.map((token, id) =>
        literal.has(id) || id === missingByteId
          ? encodeUtf8(spelled.get(id) ?? token)
          : requireAlphabetBytes(OP, token),
      ),
    ),
    addedTokens: added,
    ...(missingByteId === undefined || literal.has(missingByteId)
      ? {}
      : { unused: new Set([missingByteId]) }),
    ...(normalizer.length > 0 ? { normalizer } : {}),
    pattern: simplifyPattern(pre.flatMap(splitSteps)),
    merges: resolveMerges(OP, list(OP, model['merges']), vocab),
    wholeChunks: model['ignore_merges'] === true,
    bosId: roles.bos,
    eosId: roles.eos,
    unkId: roles.unk,
    padId: roles.pad,
    addsBos: roles.addsBos,
    addsEos: roles.addsEos,
    ...(missingByteId === undefined || hasAllBytes(vocab) ? {} : { missingByteId }),
  });
}

/**
 * Without a normalizer, tokens that are looked for in normalised text are found like the others,
 * unless two of both kinds overlap.
 */
export function plainWhereEqual(added: readonly AddedToken[]): readonly AddedToken[] {
  const early = added.filter(({ normalized }) => normalized !== true);
  const late = added.filter(({ normalized }) => normalized === true);
  if (late.some((token) => early.some((other) => overlap(token.content, other.content)))) return added;
  return added.map((token) => ({ ...token, normalized: false }));
}

/** Tokens that are looked for in normalised text decode to their normalised form, as there. */
export function spelledNames(
  added: readonly AddedToken[],
  steps: readonly NormalizerStep[],
): ReadonlyMap<number, string> {
  const normalize = compileNormalizer(steps);
  const late = normalize === undefined ? [] : added.filter(({ normalized }) => normalized === true);
  return new Map(late.map(({ id, content }) => [id, normalize?.(content) ?? content]));
}

/** Whether the two can share characters of a text. */
function overlap(a: string, b: string): boolean {
  if (a.includes(b) || b.includes(a)) return true;
  for (let length = 1; length < Math.min(a.length, b.length); length++)
    if (a.endsWith(b.slice(0, length)) || b.endsWith(a.slice(0, length))) return true;
  return false;
}

function hasAllBytes(vocab: ReadonlyMap<string, number>): boolean {
  let found = 0;
  for (const token of vocab.keys()) if (token.length === 1) found++;
  return found >= 256;
}
