import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel, saveHuggingFace } from '@cria/checkpoint';
import { GgufFile } from '@cria/checkpoint/formats';
import { Llama, llamaConfig } from '@cria/layers';
import { reference } from '@cria/tensor';
import {
  ByteLevelTrainer,
  SentencePieceTrainer,
  serializeTokenizer,
  withoutPlaceholders,
} from '@cria/tokenizer';
import { describe, expect, it } from 'vitest';
import { cria, temporaryFolder } from './helpers.ts';

/*
 * A model that was converted and converted back is the same: the bytes of weights and
 * configuration, the ids of texts, the ids that end a text, the chat template. Each pair of
 * formats, with embeddings tied or not and with more rows than tokens.
 */

const template = '{% for m in messages %}{{ m.content }}{% endfor %}';

function trained(kind: 'pieces' | 'bytes') {
  const trainer =
    kind === 'pieces'
      ? new SentencePieceTrainer({ vocabSize: 320 })
      : new ByteLevelTrainer({ vocabSize: 320, specialTokens: ['<|begin_of_text|>', '<|end_of_text|>'] });
  for (let i = 0; i < 40; i++) trainer.add(`the quick brown fox ${i} jumps over the lazy dog`);
  return trainer.finish();
}

/** A folder as people publish it. */
async function published(kind: 'pieces' | 'bytes', tied: boolean): Promise<string> {
  const folder = join(temporaryFolder(), 'model');
  const config = llamaConfig({
    dim: 32,
    nLayers: 2,
    nHeads: 4,
    nKvHeads: 2,
    ffnDim: 48,
    vocabSize: 336,
    contextLength: 64,
    tiedEmbeddings: tied,
  });
  const { parameters } = new Llama(config, { device: reference() });
  parameters.allocate();
  parameters.initialize(7);
  const tokenizer = trained(kind);
  const { bosId = 0, eosId = 0 } = tokenizer;
  await saveHuggingFace(folder, config, parameters, { specialIds: { bos: bosId, eos: [eosId, 5, 6, 7] } });
  const files = serializeTokenizer(tokenizer, kind === 'pieces' ? 'sentencepiece' : 'tokenizer.json');
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const path = join(folder, 'tokenizer_config.json');
  const fields = files.has('tokenizer_config.json') ? (JSON.parse(readFileSync(path, 'utf8')) as object) : {};
  writeFileSync(path, JSON.stringify({ ...fields, chat_template: template }));
  return folder;
}

type Format = 'hf' | 'gguf' | 'meta' | 'llama2c';
const outputs = { hf: 'model', meta: 'model', gguf: 'model.gguf', llama2c: 'bin/model.bin' };

async function converted(input: string, to: Format): Promise<string> {
  const output = join(temporaryFolder(), outputs[to]);
  const { code, errors } = await cria('convert', input, output, '--to', to);
  expect(errors).toBe('');
  expect(code).toBe(0);
  return output;
}

/** Files that say the same in the same bytes, whatever way they came. */
const EXACT = /^(model.*\.safetensors|config\.json|params\.json|consolidated\.\d+\.pth|model\.bin)$/;

function exactFiles(path: string): Map<string, Buffer> {
  const folder = statSync(path).isDirectory() ? path : join(path, '..');
  const names = readdirSync(folder).filter((name) => EXACT.test(name));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The vocabulary as far as texts and ids go; a GGUF file has placeholders besides. */
async function vocabularyOf(path: string) {
  const { tokenizer, stopIds, chatTemplate } = await openModel(path);
  return { ids: withoutPlaceholders(tokenizer).fingerprint, stopIds, chatTemplate };
}

describe.each(['pieces', 'bytes'] as const)('a model with a vocabulary of %s', (kind) => {
  const formats: Format[] = kind === 'pieces' ? ['hf', 'gguf', 'meta', 'llama2c'] : ['hf', 'gguf'];
  const pairs = formats.flatMap((to) => formats.map((by) => [to, by] as const));

  it.each(pairs)('%s by way of %s, untied and tied', async (to, by) => {
    for (const tied of [false, true]) {
      const first = await converted(await published(kind, tied), to);
      const second = await converted(await converted(first, by), to);
      const names = [...exactFiles(first).keys()];
      // Meta's and llama2.c's files have no place for ids and templates, so config.json cannot tell them any more.
      const poor = by === 'meta' || by === 'llama2c';
      for (const name of names.filter((each) => !(poor && each === 'config.json')))
        expect(exactFiles(first).get(name)?.equals(exactFiles(second).get(name)!), name).toBe(true);
      if (to === 'gguf') await expectSameGguf(first, second, poor);
      const [before, after] = [await vocabularyOf(first), await vocabularyOf(second)];
      expect(after.ids).toBe(before.ids);
      if (!poor) expect(after).toEqual(before);
      expect((await openModel(second)).checkpoint.config).toEqual((await openModel(first)).checkpoint.config);
    }
  });
});

async function expectSameGguf(first: string, second: string, poor: boolean): Promise<void> {
  const [before, after] = [await GgufFile.open(first), await GgufFile.open(second)];
  expect([...after.tensors.keys()]).toEqual([...before.tensors.keys()]);
  for (const name of before.tensors.keys())
    expect(Buffer.compare(await before.read(name), await after.read(name)), name).toBe(0);
  if (poor) return;
  expect(after.metadata).toEqual(before.metadata);
  expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
}
