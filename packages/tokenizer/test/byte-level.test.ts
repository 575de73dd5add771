import { describe, expect, it } from 'vitest';
import { llama3SpecialTokens, readTiktoken, writeTiktoken } from '../src/index.ts';
import { hasShared, publishedVectors, sameIds, sharedBytes, sharedJson, why } from './files.ts';

interface Llama3Fixture {
  readonly special_tokens: Record<string, number>;
  readonly encode: readonly number[][];
  readonly chats: readonly {
    readonly text: string;
    readonly special: number[];
    readonly as_text: number[];
  }[];
  readonly decode: readonly {
    readonly ids: number[];
    readonly bytes_hex: string;
    readonly decoded: string;
  }[];
}

describe.skipIf(!hasShared)(`Llama 3${why}`, () => {
  const file = hasShared ? sharedBytes('data/tokenizer/llama3.tokenizer.model') : new Uint8Array();
  const fixture = hasShared ? sharedJson<Llama3Fixture>('fixtures/tokenizer/llama3.json') : undefined;
  const texts = hasShared ? sharedJson<{ texts: string[] }>('fixtures/tokenizer/strings.json').texts : [];

  it('encodes every case as tiktoken does', () => {
    const tokenizer = readTiktoken(file);
    expect(Object.fromEntries(tokenizer.specialTokens)).toEqual(fixture?.special_tokens);
    fixture?.encode.forEach((ids, i) => {
      const got = tokenizer.encode(texts[i]);
      if (!sameIds(got, ids))
        expect(Array.from(got), JSON.stringify(texts[i].slice(0, 80))).toEqual(Array.from(ids));
      expect(tokenizer.decode(got)).toBe(texts[i]);
      const stream = tokenizer.decodeStream();
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(texts[i]);
    });
  });

  it('reads special tokens only where allowed', () => {
    const tokenizer = readTiktoken(file);
    for (const { text, special, as_text } of fixture?.chats ?? []) {
      expect(Array.from(tokenizer.encode(text, { allowedSpecial: 'all' }))).toEqual(special);
      expect(Array.from(tokenizer.encode(text))).toEqual(as_text);
    }
    expect(() => tokenizer.encode('x', { allowedSpecial: ['<|eot_idd|>'] })).toThrow(
      "did you mean '<|eot_id|>'",
    );
  });

  it('decodes ids that no encoder makes', () => {
    const tokenizer = readTiktoken(file);
    for (const { ids, decoded } of fixture?.decode ?? []) expect(tokenizer.decode(ids)).toBe(decoded);
  });

  it('gives the 46 published vectors and the documented one', () => {
    const tokenizer = readTiktoken(file);
    const vectors = publishedVectors('llama3-bpe');
    expect(vectors.length).toBe(46);
    for (const { text, ids } of vectors)
      if (!sameIds(tokenizer.encode(text), ids))
        expect(Array.from(tokenizer.encode(text))).toEqual(Array.from(ids));
    expect(Array.from(tokenizer.encode('This is a test sentence.', { addBos: true, addEos: true }))).toEqual([
      128000, 2028, 374, 264, 1296, 11914, 13, 128001,
    ]);
  });

  it('writes back the file it read, byte for byte', () => {
    expect(Buffer.compare(writeTiktoken(readTiktoken(file)), file)).toBe(0);
  });

  it('covers the text with offsets', () => {
    const tokenizer = readTiktoken(file);
    for (const text of texts) {
      const bytes = new TextEncoder().encode(text);
      const { ids, byteStart, byteEnd } = tokenizer.encodeWithOffsets(text);
      ids.forEach((id, i) =>
        expect(Buffer.compare(bytes.subarray(byteStart[i], byteEnd[i]), tokenizer.tokenBytes(id))).toBe(0),
      );
      expect(byteEnd.at(-1) ?? 0).toBe(bytes.length);
    }
  });

  it('knows the special tokens of Llama 3.0', () => {
    const names = llama3SpecialTokens('3.0');
    expect([names[4], names[5], names[8], names[10]]).toEqual(
      [2, 3, 4, 5].map((n) => `<|reserved_special_token_${n}|>`),
    );
  });
});
