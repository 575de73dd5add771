import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConvertOptions, convertCheckpoint, openModel, saveHuggingFace } from '@cria/checkpoint';
import { GgufFile } from '@cria/checkpoint/formats';
import { llamaConfig } from '@cria/layers';
import {
  ByteLevelTrainer,
  type GgufEntry,
  ggufVocabulary,
  parseTokenizer,
  SentencePieceTrainer,
  serializeTokenizer,
  withoutPlaceholders,
} from '@cria/tokenizer';
import { describe, expect, it } from 'vitest';
import { spaceOf, temporaryFolder, tiny } from './helpers.ts';

const texts = [
  'the quick brown fox',
  '[PAD320] [PAD310]',
  '[PAD',
  ' ▁[PAD311]\n',
  'Grüße, 東京 \u{1f999}',
  '<unk><s></s>',
];

function trained(kind: 'pieces' | 'bytes') {
  const trainer =
    kind === 'pieces'
      ? new SentencePieceTrainer({ vocabSize: 310 })
      : new ByteLevelTrainer({ vocabSize: 310, specialTokens: ['<|begin_of_text|>', '<|end_of_text|>'] });
  for (let i = 0; i < 40; i++) trainer.add(`the quick brown fox [PAD${i}] jumps over the lazy dog`);
  return trainer.finish();
}

/** A model whose embedding has more rows than its vocabulary tokens, in a format. */
async function padded(kind: 'pieces' | 'bytes', rows: number, to: 'hf' | 'meta' = 'hf') {
  const tokenizer = trained(kind);
  const folder = join(temporaryFolder(), 'model');
  // Dimensions that blocks of 32 divide.
  const config = llamaConfig({
    ...tiny,
    dim: 32,
    nHeads: 4,
    nKvHeads: 4,
    headDim: 8,
    ffnDim: 64,
    vocabSize: rows,
  });
  const space = spaceOf(config);
  space.initialize(3);
  await saveHuggingFace(folder, config, space);
  const files = serializeTokenizer(tokenizer, kind === 'pieces' ? 'sentencepiece' : 'tokenizer.json');
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  if (to === 'hf') return { tokenizer, model: await openModel(folder) };
  const meta = join(temporaryFolder(), 'meta');
  const { checkpoint } = await openModel(folder);
  await convertCheckpoint(checkpoint, meta, { to, vocabulary: { files, gguf: new Map() } });
  return { tokenizer, model: await openModel(meta) };
}

const listOf = (metadata: ReadonlyMap<string, GgufEntry>, key: string) => {
  const entry = metadata.get(`tokenizer.ggml.${key}`);
  return entry?.type === 'array' ? Array.from(entry.value) : undefined;
};

describe('an embedding with more rows than the vocabulary has tokens', () => {
  it.each<['pieces' | 'bytes', 'hf' | 'meta', Partial<ConvertOptions>]>([
    ['pieces', 'hf', {}],
    ['pieces', 'meta', {}],
    ['pieces', 'hf', { quantize: 'q8_0' }],
    ['bytes', 'hf', {}],
    ['bytes', 'hf', { dtype: 'f16' }],
  ])('%s of %s, %j: GGUF has as many tokens as rows', async (kind, from, options) => {
    const { tokenizer, model } = await padded(kind, 333, from);
    const path = join(temporaryFolder(), 'model.gguf');
    const vocabulary = { files: new Map(), gguf: ggufVocabulary(model.tokenizer) };
    await convertCheckpoint(model.checkpoint, path, { to: 'gguf', vocabulary, ...options });
    const { metadata, tensors } = await GgufFile.open(path);
    expect(tensors.get('token_embd.weight')?.shape[0]).toBe(333);
    const tokens = listOf(metadata, 'tokens') ?? [];
    expect(new Set(tokens).size).toBe(333);
    expect(tokens.slice(tokenizer.vocabSize)).toEqual(
      Array.from({ length: 333 - tokenizer.vocabSize }, (_, i) => `[PAD${tokenizer.vocabSize + i}]`),
    );
    expect(
      listOf(metadata, 'token_type')
        ?.slice(tokenizer.vocabSize)
        .every((type) => type === 5),
    ).toBe(true);
    const scores = listOf(metadata, 'scores');
    expect(scores?.length).toBe(kind === 'pieces' ? 333 : undefined);
    expect(scores?.at(-1)).toBe(kind === 'pieces' ? -10_000 : undefined);
    const back = await openModel(path);
    expect(back.tokenizer.vocabSize).toBe(333);
    for (const text of texts)
      expect([...back.tokenizer.encode(text)], text).toEqual([...tokenizer.encode(text)]);
    // Formats without unused tokens get the vocabulary as it was.
    expect(withoutPlaceholders(back.tokenizer).fingerprint).toBe(tokenizer.fingerprint);
    expect(withoutPlaceholders(tokenizer)).toBe(tokenizer);
  });

  it('llama2.c reads as many tokens as rows, too', async () => {
    const { tokenizer, model } = await padded('pieces', 320);
    const folder = temporaryFolder();
    const files = serializeTokenizer(model.tokenizer, 'llama2c');
    const vocabulary = { files, gguf: new Map() };
    await convertCheckpoint(model.checkpoint, join(folder, 'model.bin'), { to: 'llama2c', vocabulary });
    const bytes = readFileSync(join(folder, 'tokenizer.bin'));
    // As llama2.c's build_tokenizer walks through it: a score, a length, a text, for each row.
    let at = 4;
    for (let id = 0; id < 320; id++) {
      const length = bytes.readInt32LE(at + 4);
      expect(length).toBeLessThanOrEqual(bytes.readUInt32LE(0));
      at += 8 + length;
    }
    expect(at).toBe(bytes.length);
    const back = parseTokenizer(new Uint8Array(bytes));
    for (const text of texts) expect([...back.encode(text)], text).toEqual([...tokenizer.encode(text)]);
  });

  it('takes another text where one is a token already', async () => {
    const { model } = await padded('pieces', 325);
    const gguf = ggufVocabulary(model.tokenizer);
    const tokens = listOf(gguf, 'tokens')?.map(String) ?? [];
    tokens[309] = '[PAD315]';
    gguf.set('tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens });
    const path = join(temporaryFolder(), 'model.gguf');
    await convertCheckpoint(model.checkpoint, path, { to: 'gguf', vocabulary: { files: new Map(), gguf } });
    const written = listOf((await GgufFile.open(path)).metadata, 'tokens') ?? [];
    expect([written[314], written[315], written[316]]).toEqual(['[PAD314]', '[[PAD315]]', '[PAD316]']);
  });

  it('refuses a vocabulary with more tokens than rows before anything is written', async () => {
    const { model } = await padded('pieces', 309);
    const options = {
      to: 'gguf',
      vocabulary: { files: new Map(), gguf: ggufVocabulary(model.tokenizer) },
    } as const;
    await expect(
      convertCheckpoint(model.checkpoint, join(temporaryFolder(), 'x.gguf'), options),
    ).rejects.toThrow('the vocabulary has 310 tokens, the embedding 309 rows');
  });
});
