/**
 * A hash of everything that decides the ids of a text in a SentencePiece vocabulary, whatever file
 * it came from.
 */
import { flaggedTokens, isSpecial, type AddedToken } from '../added-tokens.ts';
import type { MergeList } from '../bpe/merge-list.ts';
import { mergesOfRanks } from '../bpe/rank-merges.ts';
import { asBytes, Murmur128 } from '../bytes/hash.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import type { NormalizerStep } from '../text/normalizers.ts';
import { simplifyPattern, type SplitPattern } from '../text/splitter.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { SentencePieceModel } from './model.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, type PieceList } from './piece-list.ts';
import { denseRanks } from './rules.ts';

/** What counts of a tokenizer. */
export interface FingerprintParts {
  readonly model: SentencePieceModel;
  readonly prefix: 'always' | 'first';
  readonly prefixBeforeSpace: boolean;
  readonly merges: MergeList | undefined;
  readonly addedTokens: readonly AddedToken[];
  readonly options: {
    readonly normalizer?: readonly NormalizerStep[];
    readonly pattern?: SplitPattern | undefined;
  };
}

/**
 * Ranks count, not scores: formats keep scores in different ways. A merge list that merges pieces
 * in the order of their scores, with every split of every piece, counts as no list.
 */
export function sentencePieceFingerprint({
  model,
  prefix,
  prefixBeforeSpace,
  merges,
  addedTokens,
  options,
}: FingerprintParts): string {
  const { pieces, settings } = model;
  const flags =
    (settings.byteFallback ? 1 : 0) |
    (settings.addDummyPrefix ? 2 : 0) |
    (settings.removeExtraWhitespaces ? 4 : 0) |
    (settings.treatWhitespaceAsSuffix ? 8 : 0) |
    (settings.addDummyPrefix && prefix === 'first' ? 16 : 0) |
    (settings.addDummyPrefix && !prefixBeforeSpace ? 32 : 0);
  const reserved = pieces.types.map((type) =>
    type === CONTROL || type === UNKNOWN || type === BYTE ? 1 : 0,
  );
  const splits = mergesOfRanks(new TokenBytes(pieces.pool, pieces.offsets), reserved);
  const hash = new Murmur128()
    .updateInt32(0x53504d31, pieces.size, flags, settings.bosId, settings.eosId)
    .update(asBytes(pieces.offsets.slice()))
    .update(pieces.pool)
    .update(pieces.types)
    .update(asBytes(mergeRanks(pieces, splits)));
  if (merges !== undefined && !isScoreOrder(merges, pieces, splits.length / 3)) {
    const pairs = new Int32Array(merges.size * 3);
    merges.forEach((left, right, merged, rank) => pairs.set([left, right, merged], 3 * rank));
    hash.update(asBytes(pairs));
  }
  const more = rare(model, addedTokens, options);
  if (more !== '') hash.update(encodeUtf8(more));
  return hash.hex();
}

/**
 * The ranks of the pieces that two others make, without gaps; −1 for the rest, whose scores decide
 * nothing.
 */
function mergeRanks(pieces: PieceList, splits: Int32Array): Int32Array {
  const ranks = denseRanks(pieces.scores);
  const made = new Uint8Array(pieces.size);
  for (let at = 2; at < splits.length; at += 3) made[splits[at]] = 1;
  const sorted = [...new Set(ranks.filter((_, id) => made[id] === 1))].sort((a, b) => a - b);
  const place = new Map(sorted.map((rank, i) => [rank, i]));
  return ranks.map((rank, id) => (made[id] === 1 ? (place.get(rank) ?? -1) : -1));
}

function isScoreOrder(merges: MergeList, pieces: PieceList, splits: number): boolean {
  let last = Infinity;
  let ordered = merges.size === splits;
  merges.forEach((_left, _right, merged) => {
    ordered &&= pieces.scores[merged] <= last;
    last = pieces.scores[merged];
  });
  return ordered;
}

/**
 * What only some vocabularies have, as text: fingerprints of the others stand in training states
 * and must stay.
 */
function rare(
  { settings, pieces }: SentencePieceModel,
  addedTokens: readonly AddedToken[],
  { normalizer = [], pattern }: FingerprintParts['options'],
): string {
  const found = addedTokens.filter((token) => !isSpecial(token));
  const lines = [
    ...(settings.modelType === 'unigram' ? ['unigram', scoresOf(pieces)] : []),
    ...(settings.characterMap === undefined
      ? []
      : [`map ${new Murmur128().update(settings.characterMap).hex()}`]),
    ...(normalizer.length > 0 ? [`normalizer ${JSON.stringify(normalizer)}`] : []),
    ...(pattern === undefined ? [] : [`pattern ${JSON.stringify(simplifyPattern(pattern))}`]),
    ...(found.length > 0
      ? [
          `added ${found
            .map(({ id }) => id)
            .sort((a, b) => a - b)
            .join()}`,
        ]
      : []),
    ...flaggedTokens(addedTokens),
  ];
  return lines.join('\n');
}

/** In a unigram model the scores themselves decide, not their order. */
function scoresOf(pieces: PieceList): string {
  const normal = pieces.scores.filter((_, id) => pieces.types[id] === NORMAL);
  return `scores ${new Murmur128().update(new Uint8Array(Float32Array.from(normal).buffer)).hex()}`;
}
