/** Finds out which vocabulary format some bytes hold, and reads it. */
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { checkOptions, failure } from '../errors.ts';
import { isGguf, readGguf } from '../gguf/header.ts';
import { tokenizerFromGguf } from './gguf-vocabulary.ts';
import { readLlama2c } from './llama2c.ts';
import { readSentencePieceModel } from '../sentencepiece/model.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { readTiktoken } from './tiktoken.ts';
import type { SideFiles } from './tokenizer-config.ts';
import { readTokenizerJson } from './tokenizer-json.ts';
import { decodeUtf8Strict } from '../bytes/utf8.ts';
import { refuseWrongFile } from '../wrong-file.ts';

export type VocabularyFormat = 'sentencepiece' | 'tiktoken' | 'tokenizer.json' | 'gguf' | 'llama2c';

export interface ParseOptions extends SideFiles {
  /** Where the bytes are known to be of one format. Default: found out. */
  readonly format?: VocabularyFormat;
  /** Names of the special tokens that follow a tiktoken file. Default: Llama 3.1's. */
  readonly specialTokens?: readonly string[];
}

const OP = 'parseTokenizer';

/** The format that the first bytes speak for. Throws when none does. */
export function detectFormat(bytes: Uint8Array): VocabularyFormat {
  refuseWrongFile(OP, bytes);
  if (isGguf(bytes)) return 'gguf';
  let at = 0;
  while (at < bytes.length && (bytes[at] === 0x20 || (bytes[at] >= 0x09 && bytes[at] <= 0x0d))) at++;
  if (bytes[at] === 0x7b) return 'tokenizer.json';
  if (/^[A-Za-z0-9+/]+={0,2} [0-9]+(?:\r?\n|$)/.test(String.fromCharCode(...bytes.subarray(0, 256))))
    return 'tiktoken';
  if (bytes.length >= 12 && bytes[1] <= 0x1f && bytes[2] === 0 && bytes[3] === 0) return 'llama2c';
  if (bytes[0] === 0x0a) return 'sentencepiece';
  const shown = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw failure(
    OP,
    `no known format begins with the bytes ${shown}`,
    'known: tokenizer.model, tiktoken, tokenizer.json, GGUF, llama2.c tokenizer.bin',
  );
}

export function parseTokenizer(
  bytes: Uint8Array,
  options: ParseOptions = {},
): SentencePieceTokenizer | ByteLevelTokenizer {
  checkOptions(OP, options, ['format', 'config', 'addedTokens', 'specialTokensMap', 'specialTokens']);
  refuseWrongFile(OP, bytes);
  const format = options.format ?? detectFormat(bytes);
  switch (format) {
    case 'sentencepiece':
      return new SentencePieceTokenizer(readSentencePieceModel(bytes));
    case 'tiktoken':
      return readTiktoken(
        bytes,
        options.specialTokens === undefined ? {} : { specialTokens: options.specialTokens },
      );
    case 'gguf':
      return tokenizerFromGguf(readGguf(bytes, { fileSize: bytes.length }).metadata);
    case 'llama2c':
      return readLlama2c(bytes);
    case 'tokenizer.json': {
      const text = decodeUtf8Strict(bytes);
      if (text === undefined) throw failure(OP, 'tokenizer.json is not valid UTF-8', 'the file is damaged');
      const { config, addedTokens, specialTokensMap } = options;
      return readTokenizerJson(text, { config, addedTokens, specialTokensMap });
    }
    default:
      throw failure(
        OP,
        `unknown format '${String(format)}'`,
        'known: sentencepiece, tiktoken, tokenizer.json, gguf, llama2c',
      );
  }
}
