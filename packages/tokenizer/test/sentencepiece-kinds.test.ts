/**
 * SentencePiece models of many kinds beside what sentencepiece makes of them (vectors by
 * oracle/pieces.py).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  parseTokenizer,
  readSentencePieceModel,
  SentencePieceTokenizer,
  serializeTokenizer,
  writeSentencePieceModel,
} from '../src/index.ts';

interface Vectors {
  readonly texts: readonly string[];
  readonly models: readonly {
    readonly name: string;
    readonly model: string;
    readonly ids: readonly (readonly number[])[];
    readonly decoded: readonly string[];
  }[];
}

const file = new URL('vectors/sentencepiece.json', import.meta.url);
const { texts, models } = JSON.parse(readFileSync(file, 'utf8')) as Vectors; // as oracle/pieces.py writes it

describe.each(models)('$name', ({ model, ids, decoded }) => {
  const bytes = new Uint8Array(Buffer.from(model, 'base64'));
  const tokenizer = new SentencePieceTokenizer(readSentencePieceModel(bytes));

  it('encodes, counts, decodes and streams as sentencepiece does', () => {
    texts.forEach((text, i) => {
      const own = Array.from(tokenizer.encode(text));
      expect(own, JSON.stringify(text)).toEqual(ids[i]);
      expect(tokenizer.countTokens(text)).toBe(own.length);
      expect(tokenizer.decode(own), JSON.stringify(text)).toBe(decoded[i]);
      const stream = tokenizer.decodeStream();
      expect(own.map((id) => stream.push(id)).join('') + stream.end(), JSON.stringify(text)).toBe(decoded[i]);
    });
  });

  it('is written back byte for byte, and comes back from other formats or is refused with the reason', () => {
    expect(Buffer.compare(writeSentencePieceModel(tokenizer.model), bytes)).toBe(0);
    for (const format of ['tokenizer.json', 'gguf', 'llama2c'] as const) {
      let files: Map<string, Uint8Array>;
      try {
        files = serializeTokenizer(tokenizer, format);
      } catch (error) {
        expect((error as Error).message).toMatch(/^\[\w+\] .+\. hint: /);
        continue;
      }
      const config = files.get('tokenizer_config.json');
      const side = config === undefined ? {} : { config: new TextDecoder().decode(config) };
      const copy = parseTokenizer([...files.values()][0] as Uint8Array, { format, ...side });
      for (const text of texts) expect(copy.encode(text), format).toEqual(tokenizer.encode(text));
    }
  });
});
