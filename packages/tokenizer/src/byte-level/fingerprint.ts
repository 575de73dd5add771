/**
 * A hash of everything that decides the ids of a text in a byte-level vocabulary, whatever file it
 * came from.
 */
import { flaggedTokens, isSpecial as isSpecialToken, type AddedToken } from '../added-tokens.ts';
import { isRankOrder } from '../bpe/rank-merges.ts';
import { asBytes, Murmur128 } from '../bytes/hash.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { ByteLevelOptions } from './options.ts';
import { simplifyPattern } from '../text/splitter.ts';

/**
 * Tokens, special tokens, pattern and merges. A written-out merge list that says the same as the
 * ranks (every split of every token, in order) counts as ranks, so that Llama 3 has one fingerprint
 * in every format. What most vocabularies do not have counts only where it is there: fingerprints
 * stand in training states and must stay.
 */
export function byteLevelFingerprint(
  options: ByteLevelOptions,
  isSpecial: Uint8Array,
  isLiteral: Uint8Array,
): string {
  const { tokens, merges, wholeChunks, addedTokens } = options;
  const pattern = simplifyPattern(options.pattern);
  const names = namesOf(addedTokens.filter(isSpecialToken));
  const added = namesOf(addedTokens.filter((token) => !isSpecialToken(token)));
  const hash = new Murmur128()
    .updateInt32(0x42504531, tokens.size, wholeChunks ? 1 : 0, options.bosId ?? -1, options.eosId ?? -1)
    .update(asBytes(tokens.offsets.slice()))
    .update(tokens.pool)
    .update(isSpecial)
    .update(
      encodeUtf8(
        [typeof pattern === 'string' ? pattern : JSON.stringify(pattern), ...names, '', ...added].join('\n'),
      ),
    );
  if (merges !== 'ranks' && !isRankOrder(merges, tokens, isLiteral)) {
    const pairs = new Int32Array(merges.size * 3);
    merges.forEach((left, right, merged, rank) => pairs.set([left, right, merged], 3 * rank));
    hash.update(asBytes(pairs));
  }
  const rest = rare(options);
  if (rest !== '') hash.update(encodeUtf8(rest));
  return hash.hex();
}

function namesOf(tokens: readonly AddedToken[]): string[] {
  return [...tokens].sort((a, b) => a.id - b.id).map(({ id, content }) => `${id} ${content}`);
}

/** What only some vocabularies have, as text. */
function rare({ normalizer = [], unused, missingByteId, addedTokens }: ByteLevelOptions): string {
  const flagged = flaggedTokens(addedTokens);
  const lines = [
    ...(normalizer.length > 0 ? [`normalizer ${JSON.stringify(normalizer)}`] : []),
    ...(unused !== undefined && unused.size > 0
      ? [`unused ${[...unused].sort((a, b) => a - b).join()}`]
      : []),
    ...(missingByteId === undefined ? [] : [`missing byte ${missingByteId}`]),
    ...flagged,
  ];
  return lines.join('\n');
}
