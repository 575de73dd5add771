/** A byte-level vocabulary in the words of a tokenizer.json. */
import { mergeList } from '../bpe/merge-list.ts';
import { mergesOfRanks } from '../bpe/rank-merges.ts';
import { bytesToAlphabet } from '../byte-level/byte-alphabet.ts';
import { GPT2_PATTERN } from '../byte-level/patterns.ts';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { decodeUtf8 } from '../bytes/utf8.ts';
import type { SplitPattern } from '../text/splitter.ts';
import { cannot, normalizerJson, splitJson, type WrittenParts } from './tokenizer-json-writer-steps.ts';

export function byteLevelParts(tokenizer: ByteLevelTokenizer): WrittenParts {
  const { tokens, addedTokens, unused, pattern, wholeChunks, merges, missingByteId, normalizer } =
    tokenizer.options;
  for (const id of unused ?? [])
    if (id !== missingByteId)
      throw cannot(
        `token ${id} ${JSON.stringify(tokenizer.idToPiece(id))} is unused, which the layout cannot say`,
      );
  const literal = new Uint8Array(tokens.size);
  for (const { id } of addedTokens) literal[id] = 1;
  const names = Array.from({ length: tokens.size }, (_, id) =>
    literal[id] === 1 || id === missingByteId
      ? decodeUtf8(tokens.bytes(id))
      : bytesToAlphabet(tokens.bytes(id)),
  );
  const vocab = Object.create(null) as Record<string, number>; // a token may be called __proto__
  names.forEach((name, id) => {
    if (literal[id] === 0 && name !== '') vocab[name] = id;
  });
  const pairs: [string, string][] = [];
  (merges === 'ranks' ? mergeList(mergesOfRanks(tokens, literal)) : merges).forEach((left, right) =>
    pairs.push([names[left], names[right]]),
  );
  return {
    normalizers: (normalizer ?? []).map(normalizerJson),
    preTokenizers: preTokenizersJson(pattern),
    decoders: [{ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }],
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: missingByteId === undefined ? null : names[missingByteId],
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholeChunks,
      vocab,
      merges: pairs,
    },
  };
}

/** Splits, and `ByteLevel` at the end, which has a prefix and GPT-2's pattern of its own. */
function preTokenizersJson(pattern: SplitPattern): object[] {
  const steps = typeof pattern === 'string' ? [{ pattern }] : [...pattern];
  const last = steps.at(-1);
  const usesRegex =
    last !== undefined &&
    'pattern' in last &&
    last.pattern === GPT2_PATTERN &&
    (last.behavior ?? 'isolated') === 'isolated' &&
    last.invert !== true;
  if (usesRegex) steps.pop();
  const addsSpace = steps.at(-1);
  const prefixed = addsSpace !== undefined && 'prefix' in addsSpace && addsSpace.prefix === ' ';
  if (prefixed) steps.pop();
  const splits = steps.map((step) => {
    if ('prefix' in step) throw cannot('a space is put in front before the text is cut');
    return splitJson(step);
  });
  return [
    ...splits,
    { type: 'ByteLevel', add_prefix_space: prefixed, trim_offsets: true, use_regex: usesRegex },
  ];
}
