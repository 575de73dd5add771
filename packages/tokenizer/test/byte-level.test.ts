import { describe, expect, it } from 'vitest';
import { llama3SpecialTokens, readTiktoken, writeTiktoken, type ByteLevelTokenizer } from '../src/index.ts';
import { definedBytes, GPT2_CHUNKS, LLAMA3_CHUNKS } from './definitions.ts';
import { haveShared, LLAMA3, publishedVectors, sameIds, sharedBytes, sharedJson } from './files.ts';
import { TEXTS, trainedBytes, trainedGpt2 } from './trained.ts';

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

const FIXTURE = 'fixtures/tokenizer/llama3.json';
const STRINGS = 'fixtures/tokenizer/strings.json';

describe.skipIf(!haveShared(LLAMA3, FIXTURE, STRINGS))('Llama 3', () => {
  const read = (): ByteLevelTokenizer => readTiktoken(sharedBytes(LLAMA3));
  const strings = (): string[] => sharedJson<{ texts: string[] }>(STRINGS).texts;

  it('encodes every case as tiktoken does', () => {
    const tokenizer = read();
    const fixture = sharedJson<Llama3Fixture>(FIXTURE);
    const texts = strings();
    expect(Object.fromEntries(tokenizer.specialTokens)).toEqual(fixture.special_tokens);
    fixture.encode.forEach((ids, i) => {
      const got = tokenizer.encode(texts[i]);
      if (!sameIds(got, ids))
        expect(Array.from(got), JSON.stringify(texts[i].slice(0, 80))).toEqual(Array.from(ids));
      expect(tokenizer.decode(got)).toBe(texts[i]);
      const stream = tokenizer.decodeStream();
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(texts[i]);
    });
  });

  it('reads special tokens only where allowed', () => {
    const tokenizer = read();
    for (const { text, special, as_text } of sharedJson<Llama3Fixture>(FIXTURE).chats) {
      expect(Array.from(tokenizer.encode(text, { allowedSpecial: 'all' }))).toEqual(special);
      expect(Array.from(tokenizer.encode(text))).toEqual(as_text);
    }
  });

  it('decodes ids that no encoder makes', () => {
    const tokenizer = read();
    for (const { ids, decoded } of sharedJson<Llama3Fixture>(FIXTURE).decode)
      expect(tokenizer.decode(ids)).toBe(decoded);
  });

  it.skipIf(!haveShared('data/tokenizer/llama3-bpe.inp'))(
    'gives the published vectors and the documented one',
    () => {
      const tokenizer = read();
      const vectors = publishedVectors('llama3-bpe');
      expect(vectors.length).toBeGreaterThan(0);
      for (const { text, ids } of vectors)
        if (!sameIds(tokenizer.encode(text), ids))
          expect(Array.from(tokenizer.encode(text))).toEqual(Array.from(ids));
      expect(
        Array.from(tokenizer.encode('This is a test sentence.', { addBos: true, addEos: true })),
      ).toEqual([128000, 2028, 374, 264, 1296, 11914, 13, 128001]);
    },
  );

  it('writes back the file it read, byte for byte', () => {
    const file = sharedBytes(LLAMA3);
    expect(Buffer.compare(writeTiktoken(readTiktoken(file)), file)).toBe(0);
  });

  it('covers the text with offsets', () => expectOffsets(read(), strings()));
});

describe.each([
  ['Llama 3', LLAMA3_CHUNKS, trainedBytes],
  ['GPT-2', GPT2_CHUNKS, trainedGpt2],
] as const)('a vocabulary of the %s form that was trained here', (_, chunks, make) => {
  const tokenizer = make();

  it('encodes as the definition says', () => {
    for (const text of TEXTS) {
      const ids = definedBytes(tokenizer, chunks, text);
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(ids);
    }
  });

  it('reads special tokens only where allowed', () => {
    const [[name, id]] = tokenizer.specialTokens;
    expect(Array.from(tokenizer.encode(`a${name}`, { allowedSpecial: [name] }))).toEqual([
      ...tokenizer.encode('a'),
      id,
    ]);
    expect(Array.from(tokenizer.encode(`a${name}`))).not.toContain(id);
  });

  it('covers the text with offsets', () => expectOffsets(tokenizer, TEXTS));
});

describe('special tokens of Llama 3', () => {
  it('are offered where a name is unknown', () => {
    const tokenizer = trainedBytes();
    expect(() => tokenizer.encode('x', { allowedSpecial: ['<|eot_idd|>'] })).toThrow(
      "did you mean '<|eot_id|>'",
    );
  });

  it('have other names in Llama 3.0', () => {
    const names = llama3SpecialTokens('3.0');
    expect([names[4], names[5], names[8], names[10]]).toEqual(
      [2, 3, 4, 5].map((n) => `<|reserved_special_token_${n}|>`),
    );
  });
});

function expectOffsets(tokenizer: ByteLevelTokenizer, texts: readonly string[]): void {
  for (const text of texts) {
    const bytes = new TextEncoder().encode(text);
    const { ids, byteStart, byteEnd } = tokenizer.encodeWithOffsets(text);
    ids.forEach((id, i) =>
      expect(Buffer.compare(bytes.subarray(byteStart[i], byteEnd[i]), tokenizer.tokenBytes(id))).toBe(0),
    );
    expect(byteEnd.at(-1) ?? 0).toBe(bytes.length);
  }
}
