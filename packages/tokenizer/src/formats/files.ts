/** Vocabulary files and model folders, read and written. */
import { open, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { checkOptions, failure } from '../errors.ts';
import { readGgufFront } from '../gguf/front.ts';
import { isGguf } from '../gguf/header.ts';
import type { GgufHeader } from '../gguf/types.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { atFile, loadFolder, sideFilesOf } from './folder.ts';
import { tokenizerFromGguf } from './gguf-vocabulary.ts';
import { detectFormat, parseTokenizer, type ParseOptions, type VocabularyFormat } from './parse.ts';
import { serializeTokenizer } from './serialize.ts';
import { writeWhole } from './whole-file.ts';

/**
 * Reads a vocabulary file of any supported format, or the vocabulary of a model folder. The files
 * beside it are used: tokenizer_config.json, added_tokens.json and special_tokens_map.json beside a
 * tokenizer.json, and in a folder beside a tokenizer.model too; a folder's tokenizer.json counts
 * where it adds tokens to the tokenizer.model. Throws where there is none, where it cannot be read,
 * or where files contradict each other.
 */
export async function loadTokenizer(
  path: string,
  options: ParseOptions = {},
): Promise<SentencePieceTokenizer | ByteLevelTokenizer> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw failure('loadTokenizer', `there is no file or folder ${path}`, 'check the path');
  if (found.isDirectory()) return await loadFolder(path, options);
  try {
    const gguf = await readGgufFile(path);
    if (gguf && (options.format ?? 'gguf') === 'gguf') return tokenizerFromGguf(gguf.metadata);
    const bytes = new Uint8Array(await readFile(path));
    const format = options.format ?? detectFormat(bytes);
    const side = format === 'tokenizer.json' ? await sideFilesOf(dirname(path), options) : {};
    return parseTokenizer(bytes, { ...options, ...side, format });
  } catch (error) {
    throw atFile(error, path);
  }
}

/**
 * Writes the vocabulary where nothing is lost. The format follows from the name (`.json`, `.gguf`,
 * `.bin`, else the tokenizer's own `tokenizer.model`); `tokenizer_config.json` goes beside a
 * tokenizer.json. The file appears whole or not at all.
 */
export async function saveTokenizer(
  path: string,
  tokenizer: Tokenizer,
  options: { readonly format?: VocabularyFormat } = {},
): Promise<void> {
  checkOptions('saveTokenizer', options, ['format']);
  const format = options.format ?? formatOfName(path, tokenizer);
  const [[, main], ...others] = serializeTokenizer(tokenizer, format);
  for (const [name, bytes] of others) writeWhole(join(dirname(path), name), bytes);
  writeWhole(path, main);
}

/**
 * The header of a GGUF file, of which only the front is read: the rest may be a large model.
 * Undefined for another file.
 */
async function readGgufFile(path: string): Promise<GgufHeader | undefined> {
  await using file = await open(path);
  const read = async (begin: number, end: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(end - begin);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, begin);
    return bytes.subarray(0, bytesRead);
  };
  if (!isGguf(await read(0, 4))) return undefined;
  return await readGgufFront((await file.stat()).size, read);
}

function formatOfName(path: string, tokenizer: Tokenizer): VocabularyFormat {
  if (path.endsWith('.json')) return 'tokenizer.json';
  if (path.endsWith('.gguf')) return 'gguf';
  if (path.endsWith('.bin')) return 'llama2c';
  return tokenizer instanceof SentencePieceTokenizer ? 'sentencepiece' : 'tiktoken';
}
