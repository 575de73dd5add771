/** Hugging Face's `tokenizer.json` and `tokenizer_config.json`, written in the layouts that transformers gives Llama 2 (legacy) and Llama 3. */
import { bytesToAlphabet } from './byte-alphabet.ts';
import type { ByteLevelTokenizer, MergeList } from './byte-level.ts';
import { failure } from './errors.ts';
import { compareSpaceMerges, isSpaces, mergeList } from './merge-list.ts';
import { BYTE, CONTROL, UNKNOWN, UNUSED, USER_DEFINED } from './piece-list.ts';
import { mergesOfRanks } from './rank-merges.ts';
import { SentencePieceTokenizer } from './sentencepiece.ts';
import { GPT2_PATTERN } from './split-patterns.ts';
import { TokenBytes } from './token-bytes.ts';
import { decodeUtf8 } from './utf8.ts';

export interface TokenizerJsonFiles {
  readonly 'tokenizer.json': string;
  readonly 'tokenizer_config.json': string;
}

/** Throws where the layout cannot say what the tokenizer does. */
export function writeTokenizerJson(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
): TokenizerJsonFiles {
  const root =
    tokenizer instanceof SentencePieceTokenizer ? sentencePieceJson(tokenizer) : byteLevelJson(tokenizer);
  const name = (id: number | undefined): string | null => (id === undefined ? null : tokenizer.idToPiece(id));
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: name(tokenizer.bosId),
    eos_token: name(tokenizer.eosId),
    unk_token: name(tokenizer.unkId),
    pad_token: name(tokenizer.padId),
    clean_up_tokenization_spaces: false,
    model_max_length: 1000000000000000019884624838656n,
  };
  return {
    'tokenizer.json': `${JSON.stringify(root)}\n`,
    'tokenizer_config.json': `${JSON.stringify(config, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value), 2)}\n`,
  };
}

function addedToken(id: number, content: string, special: boolean): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

function template(bos: number | undefined, name: string): object {
  const sequence = (id: string, type: number): object => ({ Sequence: { id, type_id: type } });
  const special = (type: number): object[] =>
    bos === undefined ? [] : [{ SpecialToken: { id: name, type_id: type } }];
  return {
    type: 'TemplateProcessing',
    single: [...special(0), sequence('A', 0)],
    pair: [...special(0), sequence('A', 0), ...special(1), sequence('B', 1)],
    special_tokens: bos === undefined ? {} : { [name]: { id: name, ids: [bos], tokens: [name] } },
  };
}

function sentencePieceJson(tokenizer: SentencePieceTokenizer): object {
  const { pieces, settings } = tokenizer.model;
  const cannot = (why: string): Error =>
    failure('writeTokenizerJson', why, 'keep this vocabulary as a tokenizer.model');
  if (settings.removeExtraWhitespaces || settings.treatWhitespaceAsSuffix)
    throw cannot('trimming or moving spaces has no place in this layout');
  if (!settings.byteFallback) throw cannot('the layout is for vocabularies with byte fallback');
  if (pieces.spacedNames.size > 0) throw cannot('a piece has a space in its name');
  const vocab = Object.create(null) as Record<string, number>; // a token may be called __proto__
  const added: object[] = [];
  const skip = new Uint8Array(pieces.size);
  for (let id = 0; id < pieces.size; id++) {
    const { piece, type } = pieces.at(id);
    if (type === USER_DEFINED || type === UNUSED)
      throw cannot(
        `piece ${id} '${piece}' is ${type === UNUSED ? 'unused' : 'user-defined'}, which Hugging Face treats otherwise`,
      );
    vocab[piece] = id;
    if (type === CONTROL || type === UNKNOWN) added.push(addedToken(id, piece, true));
    if (type === CONTROL || type === UNKNOWN || type === BYTE) skip[id] = 1;
  }
  const merges = tokenizer.merges ?? scoreMerges(tokenizer, skip);
  const pairs: [string, string][] = [];
  merges.forEach((left, right) => pairs.push([pieces.name(left), pieces.name(right)]));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    ...spaceParts(tokenizer),
    post_processor: template(
      tokenizer.bosId,
      tokenizer.bosId === undefined ? '' : pieces.name(tokenizer.bosId),
    ),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(settings.addDummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: tokenizer.unkId === undefined ? null : pieces.name(tokenizer.unkId),
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab,
      merges: pairs,
    },
  };
}

function spaceParts(tokenizer: SentencePieceTokenizer): object {
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  if (!tokenizer.model.settings.addDummyPrefix) return { normalizer: replace, pre_tokenizer: null };
  if (tokenizer.prefixBeforeSpace && tokenizer.prefix === 'always') {
    return {
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] },
      pre_tokenizer: null,
    };
  }
  if (tokenizer.prefixBeforeSpace)
    throw failure(
      'writeTokenizerJson',
      "the rule prefix 'first' before spaces has no place in this layout",
      "use prefix 'always'",
    );
  return {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: tokenizer.prefix, split: false },
  };
}

/** Merges in the order of the pieces' scores. Throws where two mergeable pieces share a score, which a list cannot say. */
function scoreMerges(tokenizer: SentencePieceTokenizer, skip: Uint8Array): MergeList {
  const { pieces } = tokenizer.model;
  const triples = mergesOfRanks(new TokenBytes(pieces.pool, pieces.offsets), skip);
  const names = Array.from({ length: pieces.size }, (_, id) => pieces.name(id));
  const order = Array.from({ length: triples.length / 3 }, (_, i) => 3 * i);
  const score = (at: number): number => pieces.scores[triples[at + 2]];
  const length = (at: number): number => names[triples[at]].length;
  const spaces = (at: number): boolean => isSpaces(names[triples[at + 2]]);
  order.sort((a, b) => {
    if (score(a) !== score(b)) return score(b) - score(a);
    return spaces(a) && spaces(b)
      ? compareSpaceMerges(length(a), length(a + 1), length(b), length(b + 1))
      : triples[a + 2] - triples[b + 2] || a - b;
  });
  const sorted = new Int32Array(triples.length);
  order.forEach((at, i) => sorted.set(triples.subarray(at, at + 3), 3 * i));
  for (let i = 1; i < order.length; i++) {
    const [a, b] = [order[i - 1], order[i]];
    if (score(a) === score(b) && triples[a + 2] !== triples[b + 2] && !(spaces(a) && spaces(b))) {
      throw failure(
        'writeTokenizerJson',
        `the pieces '${names[triples[a + 2]]}' and '${names[triples[b + 2]]}' have the same score, which a merge list cannot say`,
        'keep this vocabulary as a tokenizer.model',
      );
    }
  }
  return mergeList(sorted);
}

function byteLevelJson(tokenizer: ByteLevelTokenizer): object {
  const { tokens, specialTokens, addedTokens, pattern, wholeChunks, merges } = tokenizer.options;
  const literal = new Uint8Array(tokens.size);
  const added: [number, object][] = [];
  for (const [name, id] of specialTokens) {
    literal[id] = 1;
    added.push([id, addedToken(id, name, true)]);
  }
  for (const [name, id] of addedTokens ?? []) {
    if (literal[id] === 1) continue;
    literal[id] = 1;
    added.push([id, addedToken(id, name, false)]);
  }
  const names = Array.from({ length: tokens.size }, (_, id) =>
    literal[id] === 1 ? decodeUtf8(tokens.bytes(id)) : bytesToAlphabet(tokens.bytes(id)),
  );
  const vocab = Object.create(null) as Record<string, number>; // a token may be called __proto__
  names.forEach((name, id) => {
    if (literal[id] === 0) vocab[name] = id;
  });
  const pairs: [string, string][] = [];
  (merges === 'ranks' ? mergeList(mergesOfRanks(tokens, literal)) : merges).forEach((left, right) =>
    pairs.push([names[left], names[right]]),
  );
  const byteStep = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: pattern === GPT2_PATTERN,
  };
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.sort((a, b) => a[0] - b[0]).map(([, token]) => token),
    normalizer: null,
    pre_tokenizer:
      pattern === GPT2_PATTERN ? byteStep : { type: 'Sequence', pretokenizers: [split, byteStep] },
    post_processor: template(tokenizer.bosId, tokenizer.bosId === undefined ? '' : names[tokenizer.bosId]),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
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
