/** Llama 3's vocabulary file: lines of `base64(bytes) rank` (tiktoken's format). */
import { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { checkOptions, failure } from '../errors.ts';
import { LLAMA3_PATTERN } from '../byte-level/patterns.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { refuseWrongFile } from '../wrong-file.ts';

export interface TiktokenOptions {
  /**
   * Names of the special tokens, whose ids follow those of the file. Default: the 256 of Llama 3.1.
   */
  readonly specialTokens?: readonly string[];
  /** Default: Llama 3's. */
  readonly pattern?: string;
}

const OP = 'readTiktoken';
const NAMED_31: Readonly<Record<number, string>> = {
  4: '<|finetune_right_pad_id|>',
  8: '<|eom_id|>',
  10: '<|python_tag|>',
};
const NAMED: Readonly<Record<number, string>> = {
  0: '<|begin_of_text|>',
  1: '<|end_of_text|>',
  6: '<|start_header_id|>',
  7: '<|end_header_id|>',
  9: '<|eot_id|>',
};

/**
 * The 256 special tokens of a release: the unnamed ones are `<|reserved_special_token_N|>`, counted
 * in order.
 */
export function llama3SpecialTokens(release: '3.0' | '3.1' = '3.1'): string[] {
  let reserved = 0;
  return Array.from(
    { length: 256 },
    (_, i) =>
      NAMED[i] ?? (release === '3.1' ? NAMED_31[i] : undefined) ?? `<|reserved_special_token_${reserved++}|>`,
  );
}

/** Throws on a line that is not `base64 rank`, a rank given twice or left out. */
export function readTiktoken(bytes: Uint8Array, options: TiktokenOptions = {}): ByteLevelTokenizer {
  checkOptions(OP, options, ['specialTokens', 'pattern']);
  refuseWrongFile(OP, bytes);
  const { pool, offsets } = readRanks(bytes);
  requireAllBytes(pool, offsets);
  return tokenizerOfRanks(
    pool,
    offsets,
    options.specialTokens ?? llama3SpecialTokens(),
    options.pattern ?? LLAMA3_PATTERN,
  );
}

function requireAllBytes(pool: Uint8Array, offsets: Int32Array): void {
  const missing = new Set(Array.from({ length: 256 }, (_, byte) => byte));
  for (let id = 0; id + 1 < offsets.length; id++)
    if (offsets[id + 1] - offsets[id] === 1) missing.delete(pool[offsets[id]]);
  const [first] = missing;
  if (first !== undefined)
    throw failure(OP, `no token is the byte ${first}`, 'a vocabulary of ranks has all 256');
}

/** Ranks with special tokens behind them. */
export function tokenizerOfRanks(
  pool: Uint8Array,
  offsets: Int32Array,
  names: readonly string[],
  pattern: string,
): ByteLevelTokenizer {
  const base = offsets.length - 1;
  const specials = new Map(names.map((name, i) => [name, base + i]));
  if (specials.size < names.length)
    throw failure(OP, 'two special tokens have the same name', 'name each once');
  return new ByteLevelTokenizer({
    tokens: appendNames(pool, offsets, names),
    addedTokens: [...specials].map(([content, id]) => ({ id, content, special: true })),
    pattern,
    merges: 'ranks',
    wholeChunks: true,
    bosId: specials.get('<|begin_of_text|>'),
    eosId: specials.get('<|end_of_text|>'),
    padId: specials.get('<|finetune_right_pad_id|>'),
  });
}

/** The file of a vocabulary of ranks; special tokens are not part of it. */
export function writeTiktoken(tokenizer: ByteLevelTokenizer): Uint8Array {
  const specials = new Set(tokenizer.specialTokens.values());
  const lines: string[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (specials.has(id)) continue;
    lines.push(`${btoa(String.fromCharCode(...tokenizer.tokenBytes(id)))} ${id}\n`);
  }
  return encodeUtf8(lines.join(''));
}

function appendNames(pool: Uint8Array, offsets: Int32Array, names: readonly string[]): TokenBytes {
  const extra = TokenBytes.from(names.map(encodeUtf8));
  const all = new Uint8Array(pool.length + extra.pool.length);
  all.set(pool);
  all.set(extra.pool, pool.length);
  const ends = new Int32Array(offsets.length + names.length);
  ends.set(offsets);
  extra.offsets.forEach((offset, i) => (ends[offsets.length - 1 + i] = pool.length + offset));
  return new TokenBytes(all, ends);
}

const DIGITS = new Int8Array(256).fill(-1);
Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').forEach(
  (digit, i) => (DIGITS[digit.charCodeAt(0)] = i),
);

/** Tokens by rank. Lines are in rank order in every known file; others are sorted. */
function readRanks(bytes: Uint8Array): { pool: Uint8Array; offsets: Int32Array } {
  const pool = new Uint8Array((bytes.length * 3) >> 2);
  let starts = new Int32Array(1 << 12);
  let ranks = new Int32Array(1 << 12);
  let count = 0;
  let end = 0;
  let inOrder = true;
  const bad = (): Error =>
    failure(OP, `line ${count + 1} is not 'base64 rank'`, 'this is no tiktoken file, or a damaged one');
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === 0x0a || bytes[at] === 0x0d) {
      at++;
      continue;
    }
    if (count + 1 >= starts.length) {
      starts = enlarged(starts);
      ranks = enlarged(ranks);
    }
    starts[count] = end;
    let bits = 0;
    let held = 0;
    let digits = 0;
    for (let digit = DIGITS[bytes[at]]; digit >= 0; digit = DIGITS[bytes[++at]]) {
      held = ((held << 6) | digit) & 0xfff;
      bits += 6;
      digits++;
      if (bits >= 8) {
        bits -= 8;
        pool[end++] = held >> bits;
      }
    }
    let padding = 0;
    while (bytes[at] === 0x3d) {
      at++;
      padding++;
    }
    if (digits === 0 || (digits + padding) % 4 !== 0 || padding > 2 || bytes[at] !== 0x20) throw bad();
    let rank = -1;
    for (at++; bytes[at] >= 0x30 && bytes[at] <= 0x39; at++) {
      rank = Math.max(rank, 0) * 10 + bytes[at] - 0x30;
      if (rank > 0x7fffff) throw bad();
    }
    if (rank < 0 || (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d)) throw bad();
    ranks[count] = rank;
    inOrder &&= rank === count;
    count++;
  }
  if (count === 0) throw failure(OP, 'the file is empty', 'this is no tiktoken file');
  starts[count] = end;
  const offsets = starts.subarray(0, count + 1);
  return inOrder
    ? { pool: pool.slice(0, end), offsets: offsets.slice() }
    : sortByRank(pool, offsets, ranks.subarray(0, count));
}

function sortByRank(
  pool: Uint8Array,
  offsets: Int32Array,
  ranks: Int32Array,
): { pool: Uint8Array; offsets: Int32Array } {
  const tokens: Uint8Array[] = [];
  ranks.forEach((rank, i) => {
    if (rank >= ranks.length)
      throw failure(
        OP,
        `rank ${rank} in a file of ${ranks.length} tokens`,
        'ranks must be 0 to the number of tokens − 1',
      );
    if (tokens[rank] !== undefined) throw failure(OP, `rank ${rank} is given twice`, 'the file is damaged');
    tokens[rank] = pool.subarray(offsets[i], offsets[i + 1]);
  });
  return TokenBytes.from(tokens);
}

function enlarged(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2);
  grown.set(array);
  return grown;
}
