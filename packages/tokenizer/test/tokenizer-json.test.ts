/**
 * tokenizer.json files of many kinds beside what Hugging Face tokenizers makes of them (vectors by
 * oracle/cases.py).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseTokenizer, readTokenizerJson, serializeTokenizer } from '../src/index.ts';

interface Root {
  readonly model: object;
}

interface Vectors {
  readonly texts: readonly string[];
  readonly bases: Readonly<Record<string, Root>>;
  readonly cases: readonly {
    readonly name: string;
    readonly base: string;
    readonly parts: { readonly model?: object };
    readonly ids: readonly (readonly number[])[];
    readonly decoded: readonly string[];
  }[];
}

const file = new URL('vectors/tokenizer-json.json', import.meta.url);
const { texts, bases, cases } = JSON.parse(readFileSync(file, 'utf8')) as Vectors; // as oracle/cases.py writes it

function jsonOf(base: string, parts: { readonly model?: object }): string {
  const root = bases[base];
  return JSON.stringify({ ...root, ...parts, model: { ...root?.model, ...parts.model } });
}

describe.each(cases)('$base: $name', ({ base, parts, ids, decoded }) => {
  const tokenizer = readTokenizerJson(jsonOf(base, parts));

  it('encodes and decodes every text as tokenizers does', () => {
    texts.forEach((text, i) => {
      const own = Array.from(tokenizer.encode(text, { allowedSpecial: 'all' }));
      expect(own, JSON.stringify(text)).toEqual(ids[i]);
      expect(tokenizer.decode(own, { skipSpecialTokens: false }), JSON.stringify(text)).toBe(decoded[i]);
      const stream = tokenizer.decodeStream({ skipSpecialTokens: false });
      expect(own.map((id) => stream.push(id)).join('') + stream.end()).toBe(decoded[i]);
    });
  });

  it('comes back from a tokenizer.json of our own, or is refused with the reason', () => {
    let files: Map<string, Uint8Array>;
    try {
      files = serializeTokenizer(tokenizer, 'tokenizer.json');
    } catch (error) {
      expect((error as Error).message).toMatch(/^\[(?:writeTokenizerJson|serializeTokenizer)\] .+\. hint: /);
      return;
    }
    const [bytes] = [...files.values()];
    const config = new TextDecoder().decode(files.get('tokenizer_config.json'));
    const copy = parseTokenizer(bytes as Uint8Array, { config });
    for (const text of texts)
      expect(copy.encode(text, { allowedSpecial: 'all' })).toEqual(
        tokenizer.encode(text, { allowedSpecial: 'all' }),
      );
  });
});
