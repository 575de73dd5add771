/**
 * A tokenizer.json with BPE or unigram over characters: what transformers makes of a SentencePiece
 * model.
 */
import { resolveMerges, isSpaces, spacesComeLast, type MergeList } from '../bpe/merge-list.ts';
import { failure } from '../errors.ts';
import type { SentencePieceSettings } from '../sentencepiece/model.ts';
import {
  BYTE,
  CONTROL,
  NORMAL,
  PieceList,
  UNKNOWN,
  USER_DEFINED,
  type Piece,
} from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer, type SentencePieceOptions } from '../sentencepiece/tokenizer.ts';
import type { NormalizerStep } from '../text/normalizers.ts';
import type { SplitPattern } from '../text/splitter.ts';
import { list, shown, type Json, type JsonObject } from './json.ts';
import { plainWhereEqual, spelledNames } from './tokenizer-json-bytes.ts';
import type { TokenizerJsonParts } from './tokenizer-json-roles.ts';
import {
  decoderStrips,
  normalizerStep,
  OP,
  prependScheme,
  splitSteps,
  stepsOf,
  unsupported,
} from './tokenizer-json-steps.ts';

export function readPiecesJson(parts: TokenizerJsonParts): SentencePieceTokenizer {
  const { root, model, vocab, roles } = parts;
  if (model['ignore_merges'] === true) throw unsupported('ignore_merges in a vocabulary of pieces');
  const byteFallback = model['byte_fallback'] === true;
  const isUnigram = Array.isArray(model['vocab']);
  if (!byteFallback && !isUnigram && model['fuse_unk'] !== true)
    throw unsupported('fuse_unk false in a vocabulary of pieces without byte fallback');
  const merges = isUnigram ? undefined : resolveMerges(OP, list(OP, model['merges']), vocab);
  const byItself = stepsOf(root['normalizer'], 'normalizers').length === 0;
  const added = byItself ? plainWhereEqual(parts.added) : parts.added;
  const spaces = spaceRule(
    root,
    added.some(({ normalized }) => normalized === true),
  );
  const strips = decoderStrips(root);
  const settings: Partial<SentencePieceSettings> = {
    byteFallback,
    addDummyPrefix: spaces.prefix !== 'never',
    unkId: roles.unk ?? 0,
    bosId: roles.bos ?? -1,
    eosId: roles.eos ?? -1,
    padId: roles.pad ?? -1,
    ...unknownOf(parts),
    ...(isUnigram ? { modelType: 'unigram' as const } : {}),
  };
  const options: SentencePieceOptions = {
    merges,
    prefix: spaces.prefix === 'first' ? 'first' : 'always',
    prefixBeforeSpace: spaces.beforeSpace,
    addedTokens: added,
    ...(spaces.normalizer === undefined ? {} : { normalizer: spaces.normalizer }),
    pattern: spaces.pattern,
    ...(strips === undefined || strips === (spaces.prefix !== 'never') ? {} : { decodeStrips: strips }),
    addsBos: roles.addsBos,
    addsEos: roles.addsEos,
  };
  const scores = isUnigram ? unigramScores(model, parts) : mergeScores(parts, merges as MergeList);
  return SentencePieceTokenizer.fromPieces(
    pieceList(parts, scores, spelledNames(added, spaces.normalizer ?? [])),
    settings,
    options,
  );
}

function pieceList(
  { tokens, added, vocab, model, roles }: TokenizerJsonParts,
  scores: Float64Array,
  spelled: ReadonlyMap<number, string>,
): PieceList {
  const addedById = new Map(added.map((token) => [token.id, token]));
  const unkId = typeof model['unk_id'] === 'number' ? model['unk_id'] : roles.unk;
  const isUnknown = (piece: string, id: number): boolean =>
    id === unkId || (typeof model['unk_token'] === 'string' && piece === model['unk_token']);
  return PieceList.from(
    tokens.map((piece, id): Piece => {
      // an id that nobody has decodes to nothing
      if (piece === '') return { piece: `<|no token ${id}|>`, type: CONTROL, score: 0 };
      const token = addedById.get(id);
      if (isUnknown(piece, id)) return { piece, type: UNKNOWN, score: 0 };
      if (token?.special === true) return { piece: spelled.get(id) ?? piece, type: CONTROL, score: 0 };
      if (token !== undefined && !vocab.has(piece))
        return { piece: spelled.get(id) ?? piece, type: USER_DEFINED, score: 0 };
      if (/^<0x[0-9A-Fa-f]{2}>$/.test(piece)) return { piece, type: BYTE, score: 0 };
      return { piece, type: NORMAL, score: scores[id] };
    }),
  );
}

/** The unknown token, which decodes to its name there. */
function unknownOf({ model, roles, tokens }: TokenizerJsonParts): { unkId?: number; unkSurface?: string } {
  const id = typeof model['unk_id'] === 'number' ? model['unk_id'] : roles.unk;
  return id === undefined || tokens[id] === undefined ? {} : { unkId: id, unkSurface: tokens[id] };
}

/**
 * A piece is worth as much as its first merge is early; pieces that no merge makes come last and
 * never compete.
 */
function mergeScores({ tokens }: TokenizerJsonParts, merges: MergeList): Float64Array {
  const scores = new Float64Array(tokens.length);
  const merged = new Uint8Array(tokens.length);
  const spacesLast = spacesComeLast(tokens, merges);
  let next = 0;
  merges.forEach((_left, _right, id) => {
    if (merged[id] === 0) scores[id] = spacesLast && isSpaces(tokens[id]) ? -1e9 : -next++;
    merged[id] = 1;
  });
  for (let id = 0; id < tokens.length; id++) if (merged[id] === 0) scores[id] = -next++;
  return scores;
}

function unigramScores(model: JsonObject, { tokens }: TokenizerJsonParts): Float64Array {
  const scores = new Float64Array(tokens.length);
  list(OP, model['vocab']).forEach((item, id) => {
    const score: Json | undefined = Array.isArray(item) ? item[1] : undefined;
    if (typeof score !== 'number')
      throw failure(OP, `the score of piece ${id} is ${shown(score)}`, 'the file is damaged');
    scores[id] = score;
  });
  return scores;
}

/** What happens to a text before pieces are looked for. */
interface SpaceRule {
  /** Which parts get a dummy space. */
  readonly prefix: 'always' | 'first' | 'never';
  /** Also those that begin with a space. */
  readonly beforeSpace: boolean;
  readonly normalizer: readonly NormalizerStep[] | undefined;
  readonly pattern: SplitPattern | undefined;
}

const REPLACES_SPACE = { type: 'Replace', pattern: ' ', content: '▁' };
const PREPENDS = { type: 'Prepend', prepend: '▁' };

/**
 * @param spelled whether added tokens are spelled as the normalizer would: then it runs step by
 *   step.
 */
function spaceRule(root: JsonObject, spelled: boolean): SpaceRule {
  const steps = stepsOf(root['normalizer'], 'normalizers').map(normalizerStep);
  const pre = stepsOf(root['pre_tokenizer'], 'pretokenizers');
  const metaspace = pre.findIndex((step) => step['type'] === 'Metaspace');
  return metaspace < 0 ? byNormalizer(steps, pre, spelled) : byMetaspace(steps, pre, metaspace);
}

/** Spaces become `▁` among the normalizers, as in the published Llama 2 file. */
function byNormalizer(
  steps: readonly NormalizerStep[],
  pre: readonly JsonObject[],
  spelled: boolean,
): SpaceRule {
  const rule = { beforeSpace: true, normalizer: undefined, pattern: undefined };
  const written = JSON.stringify(steps);
  const usual = pre.length === 0 && !spelled;
  if (usual && written === JSON.stringify([PREPENDS, REPLACES_SPACE])) return { ...rule, prefix: 'always' };
  if (usual && written === JSON.stringify([REPLACES_SPACE])) return { ...rule, prefix: 'never' };
  const pattern = pre.flatMap(splitSteps);
  const replaces = steps.some(
    ({ type, ...rest }) => type === 'Replace' && 'content' in rest && rest.content === '▁',
  );
  const removes = pattern.some((step) => 'behavior' in step && step.behavior === 'removed');
  if (!replaces && !removes) throw unsupported('a vocabulary of pieces in which spaces stay as they are');
  return {
    ...rule,
    prefix: 'never',
    normalizer: steps,
    pattern: pattern.length === 0 ? undefined : pattern,
  };
}

/** Spaces become `▁` in a pre-tokenizer. */
function byMetaspace(
  normalizer: readonly NormalizerStep[],
  pre: readonly JsonObject[],
  at: number,
): SpaceRule {
  const metaspace = pre[at];
  if ((metaspace['replacement'] ?? '▁') !== '▁') throw unsupported(`the pre-tokenizer ${shown(metaspace)}`);
  const scheme = prependScheme(metaspace);
  const before = pre.slice(0, at).flatMap(splitSteps);
  const cuts =
    metaspace['split'] === false ? [] : [{ pattern: '[ ▁]', behavior: 'merged_with_next' as const }];
  const after = [...cuts, ...pre.slice(at + 1).flatMap(splitSteps)];
  if (pre.length > at + 1)
    throw unsupported(`${shown(pre[at + 1])} behind Metaspace, among the pre-tokenizers`);
  const rule = { beforeSpace: false, normalizer: normalizer.length === 0 ? undefined : normalizer };
  if (before.length === 0)
    return { ...rule, prefix: scheme, pattern: after.length === 0 ? undefined : after };
  if (scheme === 'first') throw unsupported("prepend_scheme 'first' behind another pre-tokenizer");
  const prefix = scheme === 'never' ? [] : [{ prefix: '▁', unless: ' ' }];
  return { ...rule, prefix: 'never', pattern: [...before, ...prefix, ...after] };
}
