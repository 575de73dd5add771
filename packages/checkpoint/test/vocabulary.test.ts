import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GgufFile, writeGguf } from '@cria/checkpoint/formats';
import { type GgufEntry, ggufVocabulary } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { expect, it } from 'vitest';
import { temporaryFolder } from './helpers.ts';

const llama3 = fileURLToPath(
  new URL('../../../../shared/data/tokenizer/llama3.tokenizer.model', import.meta.url),
);
if (!existsSync(llama3)) console.log(`the vocabulary of Llama 3 is not tested: ${llama3} is not here`);

/** As the converter of ollama hashes lists of texts: Go's JSON, which escapes what HTML would mistake. */
function hash(texts: readonly string[]): string {
  const escaped = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const json = JSON.stringify(texts).replace(/[<>&\u2028\u2029]/g, escaped);
  return createHash('sha256').update(json).digest('hex');
}

/** The names of Llama 3.0, which had less of them; the others of the 256 are reserved ones in order. */
function specialsOf30(): string[] {
  const named = new Map([
    [0, 'begin_of_text'],
    [1, 'end_of_text'],
    [6, 'start_header_id'],
    [7, 'end_header_id'],
    [9, 'eot_id'],
  ]);
  let reserved = 0;
  return Array.from(
    { length: 256 },
    (_, i) => `<|${named.get(i) ?? `reserved_special_token_${reserved++}`}|>`,
  );
}

it.skipIf(!existsSync(llama3))(
  "tokens and merges of Llama 3 in a GGUF file have the hashes that ollama's converter expects",
  async () => {
    const path = join(temporaryFolder(), 'vocabulary.gguf');
    const vocabulary = new Map<string, GgufEntry>(ggufVocabulary(await loadTokenizer(llama3)));
    await writeGguf(path, vocabulary, []);
    const { metadata } = await GgufFile.open(path);
    const texts = (key: string) => {
      const entry = metadata.get(key);
      return entry?.type === 'array' ? Array.from(entry.value, String) : [];
    };
    const tokens = texts('tokenizer.ggml.tokens');
    expect([...metadata.keys()]).toEqual([...vocabulary.keys()]);
    expect(hash([...tokens.slice(0, 128000), ...specialsOf30()])).toBe(
      '765b529dbcbc42dd202ce657341c63807b51f3b07e09898f6aa6196326865d5a',
    );
    expect(hash(texts('tokenizer.ggml.merges'))).toBe(
      'd0cbac1fcc9dcf03724b8db5c9bfb593ae1cf68fb9bc72eb1d15274dcbbf618b',
    );
  },
);
