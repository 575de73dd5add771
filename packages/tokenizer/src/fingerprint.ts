/** Fingerprints: a hash of everything that decides the ids of a text, whatever file it came from. */
import type { ByteLevelOptions } from './byte-level.ts';
import { Murmur128 } from './hash.ts';
import { isRankOrder } from './rank-merges.ts';
import { CONTROL, UNKNOWN, type PieceList } from './piece-list.ts';
import type { SentencePieceSettings } from './sentencepiece-model.ts';
import { denseRanks } from './sentencepiece-rules.ts';
import { encodeUtf8 } from './utf8.ts';

/** Ranks count, not scores: formats keep scores in different ways. So do the ids of BOS and EOS, but not the names of settings. */
export function sentencePieceFingerprint(pieces: PieceList, settings: SentencePieceSettings, prefix: 'always' | 'first'): string {
  const flags =
    (settings.byteFallback ? 1 : 0) |
    (settings.addDummyPrefix ? 2 : 0) |
    (settings.removeExtraWhitespaces ? 4 : 0) |
    (settings.treatWhitespaceAsSuffix ? 8 : 0) |
    (settings.addDummyPrefix && prefix === 'first' ? 16 : 0);
  const ranks = denseRanks(pieces.scores);
  const reserved = pieces.types.map((type) => (type === CONTROL || type === UNKNOWN ? 1 : 0));
  ranks.forEach((_, id) => {
    if (pieces.types[id] !== 1) ranks[id] = -pieces.types[id]; // scores of special and byte pieces mean nothing
  });
  return new Murmur128()
    .updateInt32(0x53504d31, pieces.size, flags, settings.bosId, settings.eosId)
    .update(asBytes(pieces.offsets.slice()))
    .update(pieces.pool)
    .update(reserved)
    .update(asBytes(compactRanks(ranks)))
    .hex();
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

/** The ranks of normal pieces renumbered without gaps; negative entries stay. */
function compactRanks(ranks: Int32Array): Int32Array {
  const sorted = [...new Set(ranks.filter((rank) => rank >= 0))].sort((a, b) => a - b);
  const place = new Map(sorted.map((rank, i) => [rank, i]));
  return ranks.map((rank) => (rank < 0 ? rank : (place.get(rank) ?? 0)));
}
