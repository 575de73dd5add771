/**
 * The merge list that ranks stand for: for each token in rank order every split into two tokens,
 * the splits of one token ordered by the ranks of their parts (Hugging Face's converter writes
 * Llama 3 so; also the list for SentencePiece pieces, ordered by piece rank).
 */
import type { MergeList } from './merge-list.ts';
import { ByteTable } from '../bytes/byte-table.ts';
import type { TokenBytes } from '../bytes/token-bytes.ts';

/**
 * Left and right ids, pair by pair; the merged token's id third. `skip` marks ids that take no
 * part.
 */
export function mergesOfRanks(tokens: TokenBytes, skip: Uint8Array): Int32Array {
  const { pool, offsets, size } = tokens;
  const table = new ByteTable(pool, offsets);
  for (let id = 0; id < size; id++) if (skip[id] === 0 && tokens.length(id) > 0) table.add(id);
  let out = new Int32Array(size * 8);
  let n = 0;
  const splits: [number, number][] = [];
  for (let id = 0; id < size; id++) {
    if (skip[id] === 1) continue;
    splits.length = 0;
    const start = offsets[id];
    const end = offsets[id + 1];
    for (let middle = start + 1; middle < end; middle++) {
      const left = table.find(pool, start, middle);
      if (left < 0) continue;
      const right = table.find(pool, middle, end);
      if (right >= 0) splits.push([left, right]);
    }
    if (splits.length > 1) splits.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (n + 3 * splits.length > out.length) {
      const grown = new Int32Array(out.length * 2 + 3 * splits.length);
      grown.set(out);
      out = grown;
    }
    for (const [left, right] of splits) {
      out[n++] = left;
      out[n++] = right;
      out[n++] = id;
    }
  }
  return out.slice(0, n);
}

export function isRankOrder(merges: MergeList, tokens: TokenBytes, skip: Uint8Array): boolean {
  const expected = mergesOfRanks(tokens, skip);
  if (expected.length !== 3 * merges.size) return false;
  let equal = true;
  merges.forEach((left, right, merged, rank) => {
    const at = 3 * rank;
    equal &&= expected[at] === left && expected[at + 1] === right && expected[at + 2] === merged;
  });
  return equal;
}
