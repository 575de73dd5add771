/** What a byte-level vocabulary tells the chunk encoder. */
import type { ChunkRules } from '../bpe/chunk-encoder.ts';
import { PairTable, type MergeFinder } from '../bpe/pair-table.ts';
import type { ByteTable } from '../bytes/byte-table.ts';
import type { TokenBytes } from '../bytes/token-bytes.ts';
import type { ByteLevelOptions } from './options.ts';

/** `table` holds the tokens that chunks can become. */
export function byteLevelRules(options: ByteLevelOptions, table: ByteTable): ChunkRules {
  const { tokens, merges, wholeChunks, missingByteId } = options;
  const byteIds = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) byteIds[byte] = table.find(Uint8Array.of(byte), 0, 1);
  let pairs: PairTable;
  if (merges === 'ranks') {
    const ranks = Int32Array.from({ length: tokens.size }, (_, id) => id);
    pairs = new PairTable(4096, concatenationFinder(tokens, table), ranks);
  } else {
    pairs = new PairTable(merges.size);
    merges.forEach((left, right, merged, rank) => pairs.set(left, right, rank, merged));
  }
  return {
    pairs,
    whole: (bytes, start, end) => (wholeChunks ? table.find(bytes, start, end) : -1),
    split: (bytes, start, end, symbols) => {
      for (let at = start; at < end; at++) symbols[at - start] = byteIds[bytes[at]];
      return end - start;
    },
    // a byte that is no token
    spell: (_symbol, out, at) => {
      if (missingByteId === undefined) return at;
      out[at] = missingByteId;
      return at + 1;
    },
  };
}

/** The token that two tokens spell together. */
function concatenationFinder(tokens: TokenBytes, table: ByteTable): MergeFinder {
  let scratch = new Uint8Array(256);
  return (left, right) => {
    const length = tokens.length(left) + tokens.length(right);
    if (length > scratch.length) scratch = new Uint8Array(2 * length);
    tokens.copy(left, scratch, 0);
    tokens.copy(right, scratch, tokens.length(left));
    return table.find(scratch, 0, length);
  };
}
