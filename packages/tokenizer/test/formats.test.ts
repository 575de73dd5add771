import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  detectFormat,
  GgufCutError,
  parseTokenizer,
  readGguf,
  readTokenizerJson,
  serializeTokenizer,
  type Tokenizer,
  type VocabularyFormat,
} from '../src/index.ts';
import { loadTokenizer, saveTokenizer } from '../src/node.ts';
import {
  hasShared,
  publishedVectors,
  sameIds,
  sharedBytes,
  sharedJson,
  sharedText,
  sharedUrl,
  why,
} from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function expectVectors(tokenizer: Tokenizer, name: string): void {
  for (const { text, ids } of publishedVectors(name))
    if (!sameIds(tokenizer.encode(text), ids))
      expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(Array.from(ids));
}

describe.skipIf(!hasShared)(`formats${why}`, () => {
  const texts = hasShared ? sharedJson<{ texts: string[] }>('fixtures/tokenizer/strings.json').texts : [];

  it.each([
    ['llama.tokenizer.model', 'sentencepiece'],
    ['llama3.tokenizer.model', 'tiktoken'],
    ['llama-spm.vocab.gguf', 'gguf'],
    ['gpt2.vocab.gguf', 'gguf'],
  ])('finds out that %s is %s', (file, format) => {
    expect(detectFormat(sharedBytes(`data/tokenizer/${file}`))).toBe(format);
  });

  it('reads GGUF vocabularies', () => {
    expectVectors(parseTokenizer(sharedBytes('data/tokenizer/llama-spm.vocab.gguf')), 'llama-spm');
    const gpt2 = parseTokenizer(sharedBytes('data/tokenizer/gpt2.vocab.gguf'));
    expectVectors(gpt2, 'gpt2');
    for (const text of texts) expect(gpt2.decode(gpt2.encode(text))).toBe(text);
    const header = readGguf(sharedBytes('data/models/llama-2-tiny-random.gguf'));
    expect(header.tensors.length).toBe(12);
    expect(header.metadata.get('general.architecture')).toBe('llama');
    expect(() => readGguf(sharedBytes('data/tokenizer/gpt2.vocab.gguf').subarray(0, 5000))).toThrow(
      GgufCutError,
    );
  });

  it('reads the llama2.c tokenizer of stories260K', () => {
    const tokenizer = parseTokenizer(sharedBytes('data/models/tok512.bin'));
    expect(tokenizer.vocabSize).toBe(512);
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([1, 2]);
    expect(tokenizer.decode([1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298])).toBe(
      sharedText('data/models/stories260K.greedy200.txt').slice(
        0,
        tokenizer.decode([1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298]).length,
      ),
    );
  });

  const origins = [
    {
      file: 'data/tokenizer/llama.tokenizer.model',
      vectors: 'llama-spm',
      formats: ['sentencepiece', 'tokenizer.json', 'gguf', 'llama2c'],
    },
    {
      file: 'data/tokenizer/llama3.tokenizer.model',
      vectors: 'llama3-bpe',
      formats: ['tiktoken', 'tokenizer.json', 'gguf'],
    },
    { file: 'data/tokenizer/gpt2.vocab.gguf', vectors: 'gpt2', formats: ['tokenizer.json', 'gguf'] },
  ] satisfies { file: string; vectors: string; formats: VocabularyFormat[] }[];

  it.each(origins.flatMap(({ formats, ...rest }) => formats.map((format) => ({ ...rest, format }))))(
    '$file as $format gives the published vectors',
    async ({ file, vectors, format }) => {
      const original = await loadTokenizer(fileURLToPath(sharedUrl(file)));
      const path = join(folder, `${vectors}.${format}`);
      await saveTokenizer(path, original, { format });
      const copy = await loadTokenizer(path);
      expectVectors(copy, vectors);
      expect(copy.fingerprint).toBe(original.fingerprint);
      expect([copy.bosId, copy.eosId, copy.vocabSize]).toEqual([
        original.bosId,
        original.eosId,
        original.vocabSize,
      ]);
      for (const text of texts)
        if (!sameIds(copy.encode(text), original.encode(text)))
          expect(Array.from(copy.encode(text))).toEqual(Array.from(original.encode(text)));
    },
  );

  it('refuses conversions that would lose something, with the reason', () => {
    const llama = parseTokenizer(sharedBytes('data/tokenizer/llama.tokenizer.model'));
    const llama3 = parseTokenizer(sharedBytes('data/tokenizer/llama3.tokenizer.model'));
    const gpt2 = parseTokenizer(sharedBytes('data/tokenizer/gpt2.vocab.gguf'));
    expect(() => serializeTokenizer(llama, 'tiktoken')).toThrow('has no byte ranks');
    expect(() => serializeTokenizer(llama3, 'sentencepiece')).toThrow('has no pieces');
    expect(() => serializeTokenizer(gpt2, 'tiktoken')).toThrow('would not give the same ids');
  });

  describe.each(['english-512', 'mixed-2000'])('%s as Hugging Face wrote it', (name) => {
    interface Difference {
      readonly index: number;
      readonly why: string;
      readonly ids: number[];
    }
    type Hf = Record<
      'tokenizer.json' | 'tokenizer.legacy.json',
      { readonly differs_from_sentencepiece: readonly Difference[] }
    >;

    it.each(['tokenizer.json', 'tokenizer.legacy.json'] as const)(
      '%s encodes as Hugging Face does',
      (file) => {
        const path = `fixtures/tokenizer/${name}`;
        const tokenizer = readTokenizerJson(sharedText(`${path}/${file}`));
        const { encode } = sharedJson<{ encode: { ids: number[]; decoded: string }[] }>(
          `${path}/encodings.json`,
        );
        const differences = new Map(
          sharedJson<Hf>(`${path}/hf.json`)[file].differs_from_sentencepiece.map((item) => [
            item.index,
            item,
          ]),
        );
        texts.forEach((text, i) => {
          const ids = differences.get(i)?.ids ?? encode[i]?.ids ?? [];
          if (!sameIds(tokenizer.encode(text, { allowedSpecial: 'all' }), ids))
            expect(
              Array.from(tokenizer.encode(text, { allowedSpecial: 'all' })),
              JSON.stringify(text),
            ).toEqual(Array.from(ids));
        });
      },
    );

    it('has one fingerprint as model and as legacy tokenizer.json, another as Metaspace', () => {
      const path = `fixtures/tokenizer/${name}`;
      const model = parseTokenizer(sharedBytes(`${path}/tokenizer.model`));
      expect(readTokenizerJson(sharedText(`${path}/tokenizer.legacy.json`)).fingerprint).toBe(
        model.fingerprint,
      );
      expect(readTokenizerJson(sharedText(`${path}/tokenizer.json`)).fingerprint).not.toBe(model.fingerprint);
    });
  });

  it('gives the same fingerprint for GGUF and tokenizer.model', () => {
    const gguf = parseTokenizer(sharedBytes('data/tokenizer/llama-spm.vocab.gguf'));
    expect(gguf.fingerprint).toBe(
      parseTokenizer(sharedBytes('data/tokenizer/llama.tokenizer.model')).fingerprint,
    );
  });
});

describe('unknown files', () => {
  it('are named with their first bytes', async () => {
    expect(() => parseTokenizer(new Uint8Array())).toThrow('the file is empty');
    expect(() => parseTokenizer(Uint8Array.of(1, 2, 3, 4, 5))).toThrow('01 02 03 04 05');
    const path = join(folder, 'noise.model');
    writeFileSync(path, '\u0000\u0001 no vocabulary');
    await expect(loadTokenizer(path)).rejects.toThrow('noise.model');
    await expect(loadTokenizer(join(folder, 'absent'))).rejects.toThrow('there is no file or folder');
    await expect(loadTokenizer(folder)).rejects.toThrow('holds no vocabulary');
  });
});
