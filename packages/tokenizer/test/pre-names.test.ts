/** llama.cpp's pre-tokenizers by name beside llama.cpp: vectors by `npm run oracle:pre-names -- --write`. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { otherPreTokenizers, preTokenizers } from '../src/byte-level/patterns.ts';
import { tokenizerFromGguf, type GgufEntry } from '../src/index.ts';

interface Vectors {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
  readonly texts: readonly string[];
  /** For every text the lists of ids that it has under some name. */
  readonly ids: readonly (readonly (readonly number[])[])[];
  /** For every name, which of the lists each text has. */
  readonly names: Readonly<Record<string, readonly number[]>>;
}

const vectors = JSON.parse(
  readFileSync(new URL('vectors/pre-names.json', import.meta.url), 'utf8'),
) as Vectors;

function vocabulary(name: string): Map<string, GgufEntry> {
  const strings = (value: readonly string[]): GgufEntry => ({ type: 'array', of: 'string', value });
  return new Map<string, GgufEntry>([
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: name }],
    ['tokenizer.ggml.tokens', strings(vectors.tokens)],
    ['tokenizer.ggml.merges', strings(vectors.merges)],
  ]);
}

describe('the ids of llama.cpp', () => {
  it('are there for every pattern', () => {
    const patterns = new Set(preTokenizers.values());
    for (const name of Object.keys(vectors.names)) patterns.delete(preTokenizers.get(name)!);
    expect([...patterns]).toEqual([]);
  });

  it.each(Object.keys(vectors.names))('%s', (name) => {
    const tokenizer = tokenizerFromGguf(vocabulary(name));
    vectors.texts.forEach((text, i) => {
      const expected = vectors.ids[i]![vectors.names[name]![i]!];
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(expected);
    });
  });
});

it.each([...otherPreTokenizers])('%s is refused by name', (name, what) => {
  expect(() => tokenizerFromGguf(vocabulary(name))).toThrow(
    `the pre-tokenizer '${name}' is that of ${what}. hint: no LLaMA has it`,
  );
});
