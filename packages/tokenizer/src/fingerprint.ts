/** Fingerprints: a hash of everything that decides the ids of a text, whatever file it came from. */
import type { ByteLevelOptions, MergeList } from './byte-level.ts';
import { Murmur128 } from './hash.ts';
import { isRankOrder, mergesOfRanks } from './rank-merges.ts';
import type { SentencePieceTokenizer } from './sentencepiece.ts';
import { BYTE, CONTROL, UNKNOWN, type PieceList } from './piece-list.ts';
import { denseRanks } from './sentencepiece-rules.ts';
import { TokenBytes } from './token-bytes.ts';
import { encodeUtf8 } from './utf8.ts';

/**
 * Ranks count, not scores: formats keep scores in different ways. A merge list that merges pieces in the order of their scores, with every
 * split of every piece, counts as no list.
 */
export function sentencePieceFingerprint({
  model,
  prefix,
  prefixBeforeSpace,
  merges,
}: SentencePieceTokenizer): string {
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
  return hash.hex();
}

/** The ranks of the pieces that two others make, without gaps; −1 for the rest, whose scores decide nothing. */
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
 * Tokens, special tokens, pattern and merges. A written-out merge list that says the same as the ranks (every split of every token, in
 * order) counts as ranks, so that Llama 3 has one fingerprint in every format.
 */
export function byteLevelFingerprint(options: ByteLevelOptions, isSpecial: Uint8Array): string {
  const { tokens, merges, wholeChunks, pattern, addedTokens } = options;
  const names = [...options.specialTokens].sort((a, b) => a[1] - b[1]).map(([name, id]) => `${id} ${name}`);
  const added = [...(addedTokens ?? [])].sort((a, b) => a[1] - b[1]).map(([name, id]) => `${id} ${name}`);
  const hash = new Murmur128()
    .updateInt32(0x42504531, tokens.size, wholeChunks ? 1 : 0, options.bosId ?? -1, options.eosId ?? -1)
    .update(asBytes(tokens.offsets.slice()))
    .update(tokens.pool)
    .update(isSpecial)
    .update(encodeUtf8([pattern, ...names, '', ...added].join('\n')));
  if (merges !== 'ranks' && !isRankOrder(merges, tokens, isSpecial)) {
    const pairs = new Int32Array(merges.size * 3);
    merges.forEach((left, right, merged, rank) => pairs.set([left, right, merged], 3 * rank));
    hash.update(asBytes(pairs));
  }
  return hash.hex();
}

export function asBytes(array: Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
