/** Vocabularies in GGUF metadata (tokenizer.ggml.*), read as llama.cpp reads them. */
import type { AddedToken } from '../added-tokens.ts';
import { resolveMerges } from '../bpe/merge-list.ts';
import { requireAlphabetBytes } from '../byte-level/byte-alphabet.ts';
import { otherPreTokenizers, preTokenizers } from '../byte-level/patterns.ts';
import { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { failure, nearestHint } from '../errors.ts';
import type { GgufMetadata, GgufScalar } from '../gguf/types.ts';
import {
  BYTE,
  CONTROL,
  NORMAL,
  PieceList,
  UNKNOWN,
  UNUSED,
  USER_DEFINED,
  type Piece,
} from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';

const OP = 'readGgufVocabulary';
export const KEY = 'tokenizer.ggml.';

/** Tokens that end a text are control tokens to llama.cpp whatever type the file gives them. */
const ENDINGS = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '_<EOT>',
  '<|eom_id|>',
]);

/** Models by their names in `tokenizer.ggml.model`. */
export function tokenizerFromGguf(metadata: GgufMetadata): SentencePieceTokenizer | ByteLevelTokenizer {
  const model = scalar(metadata, 'model');
  if (model === 'llama') return readPieces(metadata, 'bpe');
  if (model === 't5') return readPieces(metadata, 'unigram');
  if (model === 'gpt2') return readByteLevel(metadata);
  if (model === undefined)
    throw failure(OP, 'the file holds no tokenizer', 'load the tokenizer from another file');
  throw failure(OP, `tokenizer model '${String(model)}'`, "'llama', 't5' and 'gpt2' are supported");
}

interface GgufTokens {
  readonly texts: readonly string[];
  readonly types: ArrayLike<number>;
  readonly added: readonly AddedToken[];
}

function readTokens(metadata: GgufMetadata): GgufTokens {
  const texts = strings(metadata, 'tokens').map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
  const listed = numbers(metadata, 'token_type', texts.length);
  const types = texts.map((text, id) => {
    const type = text === `[EMPTY_${id}]` ? UNUSED : (listed?.[id] ?? NORMAL);
    return (type === NORMAL || type === USER_DEFINED) && ENDINGS.has(text) ? CONTROL : type;
  });
  const added = texts.flatMap((content, id): AddedToken[] => {
    if (types[id] === CONTROL) return [{ id, content, special: true }];
    return types[id] === USER_DEFINED ? [{ id, content }] : [];
  });
  return { texts, types, added };
}

/**
 * A user-defined token cuts a text as a control token does: what follows it begins with the dummy
 * space again.
 */
function readPieces(metadata: GgufMetadata, modelType: 'bpe' | 'unigram'): SentencePieceTokenizer {
  const { texts, types, added } = readTokens(metadata);
  const scores = numbers(metadata, 'scores', texts.length);
  const pieces = PieceList.from(
    texts.map((piece, id): Piece => ({ piece, score: scores?.[id] ?? 0, type: types[id] })),
  );
  const unknown = texts.flatMap((content, id): AddedToken[] =>
    types[id] === UNKNOWN ? [{ id, content, special: true }] : [],
  );
  const isUnigram = modelType === 'unigram';
  const bosId = idOf(metadata, 'bos') ?? (isUnigram ? -1 : 1);
  const eosId = idOf(metadata, 'eos') ?? (isUnigram ? 1 : 2);
  return SentencePieceTokenizer.fromPieces(
    pieces,
    {
      modelType,
      byteFallback: pieces.types.includes(BYTE),
      addDummyPrefix: scalar(metadata, 'add_space_prefix') !== false,
      removeExtraWhitespaces: scalar(metadata, 'remove_extra_whitespaces') === true,
      ...characterMapOf(metadata),
      unkId: idOf(metadata, 'unknown') ?? (isUnigram ? 2 : 0),
      bosId,
      eosId,
      padId: idOf(metadata, 'padding') ?? (isUnigram ? 0 : -1),
    },
    {
      addedTokens: [...added, ...unknown].sort((a, b) => a.id - b.id),
      addsBos: bosId >= 0 && bosId < texts.length && (flag(metadata, 'add_bos_token') ?? !isUnigram),
      addsEos: eosId < texts.length && (flag(metadata, 'add_eos_token') ?? isUnigram),
    },
  );
}

function readByteLevel(metadata: GgufMetadata): ByteLevelTokenizer {
  const { texts, types, added } = readTokens(metadata);
  const name = scalar(metadata, 'pre') ?? 'default';
  const pre = preTokenizers.get(String(name));
  const other = otherPreTokenizers.get(String(name));
  if (other !== undefined)
    throw failure(OP, `the pre-tokenizer '${String(name)}' is that of ${other}`, 'no LLaMA has it');
  if (pre === undefined)
    throw failure(
      OP,
      `the pre-tokenizer '${String(name)}' is unknown`,
      nearestHint(String(name), preTokenizers.keys()),
    );
  const unused = texts.flatMap((_, id) =>
    [UNKNOWN, UNUSED, BYTE].some((type) => type === types[id]) ? [id] : [],
  );
  const ids = new Map(texts.map((text, id) => [text, id]));
  if (ids.size < texts.length) {
    const twin = texts.findIndex((text, id) => ids.get(text) !== id);
    throw failure(OP, `two tokens are ${JSON.stringify(texts[twin])}`, 'the file is damaged');
  }
  const bosId = idOf(metadata, 'bos');
  const eosId = idOf(metadata, 'eos');
  return new ByteLevelTokenizer({
    tokens: TokenBytes.from(
      texts.map((text, id) => (types[id] === NORMAL ? requireAlphabetBytes(OP, text) : encodeUtf8(text))),
    ),
    addedTokens: added,
    ...(unused.length > 0 ? { unused: new Set(unused) } : {}),
    pattern: pre.pattern,
    wholeChunks: pre.wholeChunks,
    merges: resolveMerges(OP, strings(metadata, 'merges'), ids),
    bosId,
    eosId,
    unkId: idOf(metadata, 'unknown'),
    padId: idOf(metadata, 'padding'),
    addsBos: bosId !== undefined && (flag(metadata, 'add_bos_token') ?? pre.addsBos),
    addsEos: eosId !== undefined && (flag(metadata, 'add_eos_token') ?? false),
  });
}

function strings(metadata: GgufMetadata, name: string): readonly string[] {
  const entry = metadata.get(KEY + name);
  if (entry?.type === 'array' && entry.of === 'string') return Array.from(entry.value, String);
  throw failure(
    OP,
    `${KEY}${name} is ${entry === undefined ? 'missing' : 'no list of texts'}`,
    'the file is damaged',
  );
}

function numbers(metadata: GgufMetadata, name: string, length: number): ArrayLike<number> | undefined {
  const entry = metadata.get(KEY + name);
  if (entry === undefined) return undefined;
  if (entry.type !== 'array' || entry.of === 'string' || entry.of === 'bool' || entry.value.length !== length)
    throw failure(OP, `${KEY}${name} is no list of ${length} numbers`, 'the file is damaged');
  return Array.from(entry.value, Number);
}

function scalar(metadata: GgufMetadata, name: string): GgufScalar | undefined {
  const entry = metadata.get(KEY + name);
  return entry?.type === 'array' ? undefined : entry?.value;
}

function idOf(metadata: GgufMetadata, name: string): number | undefined {
  const value = scalar(metadata, `${name}_token_id`);
  return typeof value === 'number' ? value : undefined;
}

function flag(metadata: GgufMetadata, name: string): boolean | undefined {
  const value = scalar(metadata, name);
  return typeof value === 'boolean' ? value : undefined;
}

function characterMapOf(metadata: GgufMetadata): { readonly characterMap?: Uint8Array } {
  const entry = metadata.get(`${KEY}precompiled_charsmap`);
  if (entry?.type !== 'array' || entry.value.length === 0) return {};
  return { characterMap: Uint8Array.from(Array.from(entry.value, Number)) };
}
