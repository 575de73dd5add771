/** Vocabularies in GGUF metadata (tokenizer.ggml.*): SentencePiece ("llama") and byte-level ("gpt2"), read and written. */
import { bytesToAlphabet, requireAlphabetBytes } from './byte-alphabet.ts';
import { ByteLevelTokenizer } from './byte-level.ts';
import { failure } from './errors.ts';
import type { GgufEntry, GgufMetadata, GgufScalar } from './gguf/types.ts';
import { resolveMerges } from './merge-list.ts';
import { BYTE, CONTROL, NORMAL, PieceList, USER_DEFINED, type Piece } from './piece-list.ts';
import { mergesOfRanks } from './rank-merges.ts';
import { SentencePieceTokenizer } from './sentencepiece.ts';
import { GPT2_PATTERN, LLAMA3_PATTERN } from './split-patterns.ts';
import { TokenBytes } from './token-bytes.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

const OP = 'readGgufVocabulary';
const KEY = 'tokenizer.ggml.';

/** How llama.cpp names the split patterns (`tokenizer.ggml.pre`), and which take whole chunks first. */
const PATTERNS: Readonly<Record<string, { readonly pattern: string; readonly wholeChunks: boolean }>> = {
  'llama-bpe': { pattern: LLAMA3_PATTERN, wholeChunks: true },
  llama3: { pattern: LLAMA3_PATTERN, wholeChunks: true },
  'llama-v3': { pattern: LLAMA3_PATTERN, wholeChunks: true },
  'gpt-2': { pattern: GPT2_PATTERN, wholeChunks: false },
};

export function tokenizerFromGguf(metadata: GgufMetadata): SentencePieceTokenizer | ByteLevelTokenizer {
  const model = scalar(metadata, 'model');
  if (model === 'llama') return readPieces(metadata);
  if (model === 'gpt2') return readByteLevel(metadata);
  if (model === undefined)
    throw failure(OP, 'the file holds no tokenizer', 'load the tokenizer from another file');
  throw failure(OP, `tokenizer model '${String(model)}'`, "'llama' and 'gpt2' are supported");
}

function readPieces(metadata: GgufMetadata): SentencePieceTokenizer {
  const tokens = strings(metadata, 'tokens');
  const scores = numbers(metadata, 'scores', tokens.length);
  const types = numbers(metadata, 'token_type', tokens.length);
  const pieces = PieceList.from(
    tokens.map((piece, id): Piece => ({ piece, score: scores?.[id] ?? 0, type: types?.[id] ?? NORMAL })),
  );
  return SentencePieceTokenizer.fromPieces(pieces, {
    byteFallback: pieces.types.includes(BYTE),
    addDummyPrefix: scalar(metadata, 'add_space_prefix') !== false,
    removeExtraWhitespaces: scalar(metadata, 'remove_extra_whitespaces') === true,
    unkId: idOf(metadata, 'unknown') ?? 0,
    bosId: idOf(metadata, 'bos') ?? 1,
    eosId: idOf(metadata, 'eos') ?? 2,
    padId: idOf(metadata, 'padding') ?? -1,
  });
}

function readByteLevel(metadata: GgufMetadata): ByteLevelTokenizer {
  const tokens = strings(metadata, 'tokens');
  const types = numbers(metadata, 'token_type', tokens.length);
  const pre = scalar(metadata, 'pre');
  const split = typeof pre === 'string' ? PATTERNS[pre] : undefined;
  if (split === undefined) {
    throw failure(
      OP,
      `the split pattern '${String(pre)}' is unknown`,
      `known: ${Object.keys(PATTERNS).join(', ')}`,
    );
  }
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const named = (type: number): Map<string, number> =>
    new Map([...ids].filter(([, id]) => (types?.[id] ?? NORMAL) === type));
  const specialTokens = named(CONTROL);
  const addedTokens = named(USER_DEFINED);
  return new ByteLevelTokenizer({
    tokens: TokenBytes.from(
      tokens.map((token) =>
        specialTokens.has(token) || addedTokens.has(token)
          ? encodeUtf8(token)
          : requireAlphabetBytes(OP, token),
      ),
    ),
    specialTokens,
    addedTokens,
    ...split,
    merges: resolveMerges(OP, strings(metadata, 'merges'), ids),
    bosId: idOf(metadata, 'bos'),
    eosId: idOf(metadata, 'eos'),
    unkId: idOf(metadata, 'unknown'),
    padId: idOf(metadata, 'padding'),
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

/** The metadata that llama.cpp needs for this vocabulary; the caller adds the model's own. Throws where GGUF cannot say it. */
export function ggufVocabulary(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
): Map<string, GgufEntry> {
  const metadata = new Map<string, GgufEntry>();
  const put = (name: string, entry: GgufEntry): void => void metadata.set(KEY + name, entry);
  const ids = {
    bos: tokenizer.bosId,
    eos: tokenizer.eosId,
    unknown: tokenizer.unkId,
    padding: tokenizer.padId,
  };
  if (tokenizer instanceof SentencePieceTokenizer) writePieces(tokenizer, put);
  else writeByteLevel(tokenizer, put);
  for (const [name, id] of Object.entries(ids))
    if (id !== undefined) put(`${name}_token_id`, { type: 'u32', value: id });
  put('add_bos_token', { type: 'bool', value: tokenizer.bosId !== undefined });
  put('add_eos_token', { type: 'bool', value: false });
  return metadata;
}

type Put = (name: string, entry: GgufEntry) => void;

function writePieces(tokenizer: SentencePieceTokenizer, put: Put): void {
  const { pieces, settings } = tokenizer.model;
  if (settings.treatWhitespaceAsSuffix || tokenizer.prefix !== 'always') {
    throw failure(
      'ggufVocabulary',
      'GGUF has no place for this rule of the dummy space',
      'keep the tokenizer in its own format',
    );
  }
  if (settings.byteFallback !== pieces.types.includes(BYTE)) {
    throw failure(
      'ggufVocabulary',
      'byte fallback and byte pieces do not agree',
      'keep the tokenizer in its own format',
    );
  }
  put('model', { type: 'string', value: 'llama' });
  put('pre', { type: 'string', value: 'default' });
  put('tokens', {
    type: 'array',
    of: 'string',
    value: Array.from({ length: pieces.size }, (_, id) => pieces.name(id)),
  });
  put('scores', { type: 'array', of: 'f32', value: pieces.scores });
  put('token_type', { type: 'array', of: 'i32', value: pieces.types });
  put('add_space_prefix', { type: 'bool', value: settings.addDummyPrefix });
  if (settings.removeExtraWhitespaces) put('remove_extra_whitespaces', { type: 'bool', value: true });
}

function writeByteLevel(tokenizer: ByteLevelTokenizer, put: Put): void {
  const { options } = tokenizer;
  const pre = Object.entries(PATTERNS).find(
    ([, split]) => split.pattern === options.pattern && split.wholeChunks === options.wholeChunks,
  );
  if (pre === undefined)
    throw failure(
      'ggufVocabulary',
      'GGUF has no name for this split pattern',
      'keep the tokenizer in its own format',
    );
  const { tokens, specialTokens, addedTokens } = options;
  const special = new Uint8Array(tokens.size);
  for (const id of specialTokens.values()) special[id] = 1;
  const types = Int32Array.from({ length: tokens.size }, (_, id) => (special[id] === 1 ? CONTROL : NORMAL));
  for (const id of addedTokens?.values() ?? []) if (special[id] === 0) types[id] = USER_DEFINED;
  const names = Array.from({ length: tokens.size }, (_, id) =>
    types[id] === NORMAL ? bytesToAlphabet(tokens.bytes(id)) : decodeUtf8(tokens.bytes(id)),
  );
  const merges: string[] = [];
  if (options.merges === 'ranks') {
    const triples = mergesOfRanks(tokens, special);
    for (let at = 0; at < triples.length; at += 3)
      merges.push(`${names[triples[at]]} ${names[triples[at + 1]]}`);
  } else {
    options.merges.forEach((left, right) => merges.push(`${names[left]} ${names[right]}`));
  }
  put('model', { type: 'string', value: 'gpt2' });
  put('pre', { type: 'string', value: pre[0] });
  put('tokens', { type: 'array', of: 'string', value: names });
  put('token_type', { type: 'array', of: 'i32', value: types });
  put('merges', { type: 'array', of: 'string', value: merges });
}
