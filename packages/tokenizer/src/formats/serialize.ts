/**
 * Writes a vocabulary in another format where that loses nothing, and says why not where it would.
 */
import { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { failure } from '../errors.ts';
import type { GgufEntry } from '../gguf/types.ts';
import { writeGgufHeader } from '../gguf/writer.ts';
import { withSymbolsAsTokens } from './gguf-losses.ts';
import { ggufVocabulary } from './gguf-vocabulary-writer.ts';
import { writeLlama2c } from './llama2c.ts';
import { parseTokenizer, type VocabularyFormat } from './parse.ts';
import { writeSentencePieceModel } from '../sentencepiece/model.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { writeTiktoken } from './tiktoken.ts';
import { writeTokenizerJson } from './tokenizer-json-writer.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';

const OP = 'serializeTokenizer';

/**
 * Files by name. The result is read back and compared by fingerprint before it is returned. GGUF has
 * user-defined pieces as tokens of type 4, behind which llama.cpp puts a dummy space.
 */
export function serializeTokenizer(tokenizer: Tokenizer, format: VocabularyFormat): Map<string, Uint8Array> {
  if (!(tokenizer instanceof SentencePieceTokenizer) && !(tokenizer instanceof ByteLevelTokenizer)) {
    throw failure(OP, 'this tokenizer is not one of this package', 'load it with loadTokenizer');
  }
  const files = write(tokenizer, format);
  const [[, bytes]] = files;
  const config = files.get('tokenizer_config.json');
  const back = parseTokenizer(bytes, {
    format,
    ...(config === undefined ? {} : { config: new TextDecoder().decode(config) }),
    ...(format === 'tiktoken' ? { specialTokens: specialNames(tokenizer) } : {}),
  });
  const wanted = format === 'gguf' ? withSymbolsAsTokens(tokenizer) : tokenizer;
  if (back.fingerprint !== wanted.fingerprint) {
    throw failure(
      OP,
      `a file of format ${format} would not give the same ids`,
      `keep it in its own format; ${differences(tokenizer, back)}`,
    );
  }
  return files;
}

function write(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
  format: VocabularyFormat,
): Map<string, Uint8Array> {
  switch (format) {
    case 'tokenizer.json':
      return new Map(
        Object.entries(writeTokenizerJson(tokenizer)).map(([name, text]: [string, string]) => [
          name,
          encodeUtf8(text),
        ]),
      );
    case 'gguf': {
      const architecture: [string, GgufEntry] = ['general.architecture', { type: 'string', value: 'llama' }];
      return new Map([
        ['vocab.gguf', writeGgufHeader(new Map([architecture, ...ggufVocabulary(tokenizer)]))],
      ]);
    }
    case 'sentencepiece':
    case 'llama2c':
      if (!(tokenizer instanceof SentencePieceTokenizer))
        throw failure(
          OP,
          `a byte-level vocabulary has no pieces to write as ${format}`,
          'use tiktoken, tokenizer.json or gguf',
        );
      if (format === 'llama2c') return new Map([['tokenizer.bin', writeLlama2c(tokenizer)]]);
      return new Map([['tokenizer.model', writeSentencePieceModel(tokenizer.model)]]);
    case 'tiktoken':
      if (!(tokenizer instanceof ByteLevelTokenizer))
        throw failure(
          OP,
          'a SentencePiece vocabulary has no byte ranks',
          'use sentencepiece, tokenizer.json, gguf or llama2c',
        );
      return new Map([['tokenizer.model', writeTiktoken(tokenizer)]]);
    default:
      throw failure(
        OP,
        `unknown format '${String(format)}'`,
        'known: sentencepiece, tiktoken, tokenizer.json, gguf, llama2c',
      );
  }
}

/** Names of the special tokens in the order of their ids, which must follow the others. */
function specialNames(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer): string[] {
  return [...tokenizer.specialTokens].sort((a, b) => a[1] - b[1]).map(([name]) => name);
}

function differences(a: Tokenizer, b: Tokenizer): string {
  if (a.vocabSize !== b.vocabSize) return `the sizes would be ${a.vocabSize} and ${b.vocabSize}`;
  if (a.bosId !== b.bosId || a.eosId !== b.eosId)
    return `BOS and EOS would be ${b.bosId} and ${b.eosId}, not ${a.bosId} and ${a.eosId}`;
  return 'merges, special tokens or rules of spaces would differ';
}
