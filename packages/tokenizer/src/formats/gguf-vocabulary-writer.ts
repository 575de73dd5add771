/** A vocabulary as GGUF metadata that llama.cpp reads. */
import { mergesOfRanks } from '../bpe/rank-merges.ts';
import { bytesToAlphabet } from '../byte-level/byte-alphabet.ts';
import { publishedPatterns, preTokenizers } from '../byte-level/patterns.ts';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { decodeUtf8 } from '../bytes/utf8.ts';
import { checkOptions, failure } from '../errors.ts';
import type { GgufEntry } from '../gguf/types.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED } from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { simplifyPattern, type SplitPattern } from '../text/splitter.ts';
import { ggufLosses, symbolText } from './gguf-losses.ts';
import { KEY } from './gguf-vocabulary.ts';

const OP = 'ggufVocabulary';
const HINT = 'keep the tokenizer in its own format';

type Put = (name: string, entry: GgufEntry) => void;

export interface GgufVocabularyOptions {
  /**
   * Told by name what the file cannot say (`lstrip` and its kind, normalizers), which llama.cpp will
   * not do. Default: such a vocabulary is refused.
   */
  readonly onLoss?: (what: string) => void;
}

/**
 * The metadata that llama.cpp needs for this vocabulary; the caller adds the model's own. Throws
 * where GGUF cannot say how text becomes pieces. llama.cpp puts a dummy space behind every special
 * and user-defined token, whatever the vocabulary did.
 */
export function ggufVocabulary(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
  options: GgufVocabularyOptions = {},
): Map<string, GgufEntry> {
  checkOptions(OP, options, ['onLoss']);
  const { onLoss } = options;
  for (const loss of ggufLosses(tokenizer)) {
    if (onLoss === undefined) throw failure(OP, `GGUF cannot say ${loss}`, HINT);
    onLoss(loss);
  }
  const metadata = new Map<string, GgufEntry>();
  const put: Put = (name, entry) => void metadata.set(KEY + name, entry);
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
  put('add_bos_token', { type: 'bool', value: tokenizer.addsBos });
  put('add_eos_token', { type: 'bool', value: tokenizer.addsEos });
  return metadata;
}

function writePieces(tokenizer: SentencePieceTokenizer, put: Put): void {
  const { pieces, settings } = tokenizer.model;
  if (settings.treatWhitespaceAsSuffix || tokenizer.options.pattern !== undefined)
    throw failure(OP, 'GGUF has no place for what this vocabulary does with spaces', HINT);
  if (settings.byteFallback !== pieces.types.includes(BYTE))
    throw failure(OP, 'byte fallback and byte pieces do not agree', HINT);
  // a normalizer may put the dummy space in front, too
  const normalizer = tokenizer.options.normalizer ?? [];
  const prepends = normalizer.some((step) => step.type === 'Prepend' && step.prepend === '▁');
  put('model', { type: 'string', value: settings.modelType === 'unigram' ? 't5' : 'llama' });
  put('pre', { type: 'string', value: 'default' });
  put('tokens', {
    type: 'array',
    of: 'string',
    value: Array.from({ length: pieces.size }, (_, id) =>
      pieces.types[id] === USER_DEFINED ? symbolText(pieces, id) : pieces.name(id),
    ),
  });
  put('scores', { type: 'array', of: 'f32', value: pieces.scores });
  put('token_type', { type: 'array', of: 'i32', value: pieces.types });
  put('add_space_prefix', { type: 'bool', value: settings.addDummyPrefix || prepends });
  if (settings.characterMap !== undefined)
    put('precompiled_charsmap', { type: 'array', of: 'u8', value: settings.characterMap });
  if (settings.removeExtraWhitespaces) put('remove_extra_whitespaces', { type: 'bool', value: true });
}

function writeByteLevel(tokenizer: ByteLevelTokenizer, put: Put): void {
  const { tokens, addedTokens, unused, pattern, wholeChunks, merges } = tokenizer.options;
  const types = new Int32Array(tokens.size).fill(NORMAL);
  for (const id of unused ?? []) types[id] = id === tokenizer.unkId ? UNKNOWN : UNUSED;
  for (const { id, special } of addedTokens) types[id] = special === true ? CONTROL : USER_DEFINED;
  const literal = Uint8Array.from(types, (type) => (type === NORMAL ? 0 : 1));
  const taken = new Set<string>();
  const names = Array.from({ length: tokens.size }, (_, id) => {
    const bytes = tokens.bytes(id);
    const name =
      bytes.length === 0 ? `[EMPTY_${id}]` : literal[id] === 1 ? decodeUtf8(bytes) : bytesToAlphabet(bytes);
    if (bytes.length === 0) types[id] = UNUSED;
    if (taken.has(name))
      throw failure(OP, `two tokens are ${JSON.stringify(name)}, which GGUF cannot tell apart`, HINT);
    taken.add(name);
    return name;
  });
  const written: string[] = [];
  if (merges === 'ranks') {
    const triples = mergesOfRanks(tokens, literal);
    for (let at = 0; at < triples.length; at += 3)
      written.push(`${names[triples[at]]} ${names[triples[at + 1]]}`);
  } else {
    merges.forEach((left, right) => written.push(`${names[left]} ${names[right]}`));
  }
  put('model', { type: 'string', value: 'gpt2' });
  put('pre', { type: 'string', value: nameOfPattern(pattern, wholeChunks) });
  put('tokens', { type: 'array', of: 'string', value: names });
  put('token_type', { type: 'array', of: 'i32', value: types });
  put('merges', { type: 'array', of: 'string', value: written });
}

/** llama.cpp's name for a pattern, its own form of it or the published one. */
function nameOfPattern(pattern: SplitPattern, wholeChunks: boolean): string {
  const written = JSON.stringify(simplifyPattern(pattern));
  const known = publishedPatterns.find((entry) => JSON.stringify(simplifyPattern(entry.pattern)) === written);
  for (const [name, pre] of preTokenizers) {
    if (pre.wholeChunks !== wholeChunks) continue;
    if (name === known?.name || JSON.stringify(simplifyPattern(pre.pattern)) === written) return name;
  }
  throw failure(OP, 'GGUF has no name for this split pattern', HINT);
}
