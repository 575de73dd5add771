/**
 * Hugging Face's `tokenizer.json`, read: BPE over bytes (Llama 3, GPT-2) and over characters, and
 * unigram, with what stands around them.
 */
import type { AddedToken } from '../added-tokens.ts';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { checkOptions, failure } from '../errors.ts';
import type { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { readByteLevelJson } from './tokenizer-json-bytes.ts';
import { readPiecesJson } from './tokenizer-json-pieces.ts';
import { rolesOf } from './tokenizer-json-roles.ts';
import { OP, stepsOf, unsupported } from './tokenizer-json-steps.ts';
import { list, object, parseObject, shown, type Json, type JsonObject } from './json.ts';
import { mergeAdded, readAddedToken, readSideFiles, requireId, type SideFiles } from './tokenizer-config.ts';

export type TokenizerJsonOptions = SideFiles;

/** Throws, naming the part, on every setting that these tokenizers would not follow exactly. */
export function readTokenizerJson(
  text: string,
  options: TokenizerJsonOptions = {},
): SentencePieceTokenizer | ByteLevelTokenizer {
  checkOptions(OP, options, ['config', 'addedTokens', 'specialTokensMap']);
  const root = parseObject(OP, text, 'tokenizer.json');
  const model = object(root['model']);
  const type = typeOf(model);
  if (model === undefined || (type !== 'BPE' && type !== 'Unigram'))
    throw unsupported(`a model of type ${shown(model?.['type'])}`);
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[name];
    if (value !== null && value !== undefined && value !== '' && value !== 0)
      throw unsupported(`${name} ${shown(value)}`);
  }
  const side = readSideFiles(OP, options);
  const own = list(OP, root['added_tokens'] ?? []).map((item) => readAddedToken(OP, item));
  const vocab = type === 'Unigram' ? readUnigramVocab(model['vocab']) : readVocab(model['vocab']);
  const added = mergeAdded(OP, own, side.added, ['tokenizer.json', 'the files beside it']);
  const tokens = tokensById(vocab, added);
  const ids = new Map([...vocab, ...added.map(({ content, id }) => [content, id] as const)]);
  const parts = { root, model, vocab, tokens, added, roles: rolesOf(root, ids, side.config) };
  const isByteLevel = stepsOf(root['pre_tokenizer'], 'pretokenizers').some(
    (step) => step['type'] === 'ByteLevel',
  );
  return isByteLevel && type === 'BPE' ? readByteLevelJson(parts) : readPiecesJson(parts);
}

/** Older files leave the type out: unigram models have `unk_id` and a list of pieces. */
function typeOf(model: JsonObject | undefined): Json | undefined {
  return model?.['type'] ?? (Array.isArray(model?.['vocab']) ? 'Unigram' : 'BPE');
}

function readVocab(value: Json | undefined): ReadonlyMap<string, number> {
  const entries = Object.entries(object(value) ?? {});
  if (entries.length === 0) throw failure(OP, 'model.vocab is missing or empty', 'the file is damaged');
  return new Map(entries.map(([token, id]) => [token, requireId(OP, id, token)]));
}

function readUnigramVocab(value: Json | undefined): ReadonlyMap<string, number> {
  const pieces = list(OP, value).map((item, id): [string, number] => {
    const piece: Json | undefined = Array.isArray(item) ? item[0] : undefined;
    if (typeof piece !== 'string' || piece === '')
      throw failure(OP, `piece ${id} is ${shown(item)}`, 'the file is damaged');
    return [piece, id];
  });
  const vocab = new Map(pieces);
  if (vocab.size < pieces.length) throw failure(OP, 'a piece is listed twice', 'the file is damaged');
  return vocab;
}

function tokensById(vocab: ReadonlyMap<string, number>, added: readonly AddedToken[]): string[] {
  let highest = -1;
  for (const id of vocab.values()) highest = Math.max(highest, id);
  for (const { id } of added) highest = Math.max(highest, id);
  if (highest > 2 * (vocab.size + added.length))
    throw failure(OP, `the id ${highest} in a vocabulary of ${vocab.size} tokens`, 'the file is damaged');
  const tokens = new Array<string>(highest + 1).fill('');
  for (const [token, id] of vocab) {
    if (tokens[id] !== '') throw failure(OP, `the id ${id} is given to two tokens`, 'the file is damaged');
    tokens[id] = token;
  }
  for (const { id, content } of added) tokens[id] = content;
  return tokens;
}
