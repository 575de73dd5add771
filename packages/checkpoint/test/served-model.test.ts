import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  convertCheckpoint,
  openCheckpoint,
  openModel,
  saveHuggingFace,
  saveTrainingState,
} from '@cria/checkpoint';
import { llamaConfig } from '@cria/layers';
import { ggufVocabulary, SentencePieceTrainer, serializeTokenizer } from '@cria/tokenizer';
import { describe, expect, it } from 'vitest';
import { data, have, spaceOf, temporaryFolder, tiny } from './helpers.ts';

function trained() {
  const trainer = new SentencePieceTrainer({ vocabSize: 300 });
  for (let i = 0; i < 40; i++) trainer.add(`the quick brown fox ${i} jumps over the lazy dog`);
  return trainer.finish();
}

const tokenizer = trained();
const config = llamaConfig({ ...tiny, vocabSize: tokenizer.vocabSize });
const template = "{{ messages[0]['content'] }}";

/** A Hugging Face folder with its vocabulary. */
async function modelFolder(eos: readonly number[] = []): Promise<string> {
  const folder = join(temporaryFolder(), 'a-model');
  const space = spaceOf(config);
  space.initialize(3);
  await saveHuggingFace(folder, config, space, { specialIds: { eos } });
  for (const [name, bytes] of serializeTokenizer(tokenizer, 'sentencepiece'))
    writeFileSync(join(folder, name), bytes);
  return folder;
}

describe('openModel', () => {
  it('gives the weights, the vocabulary and the ids that end a text', async () => {
    const folder = await modelFolder([7, 9]);
    const model = await openModel(folder);
    expect(model.tokenizer.fingerprint).toBe(tokenizer.fingerprint);
    expect(model.tokenizerPath).toBe(folder);
    expect(model.stopIds).toEqual([7, 9, tokenizer.eosId]);
    expect(model.checkpoint.specialIds.eos).toEqual([7, 9]);
    expect([model.name, model.chatTemplate]).toEqual(['a-model', undefined]);
  });

  it('takes ids from the vocabulary where the files of weights name none', async () => {
    const { checkpoint, stopIds } = await openModel(await modelFolder());
    expect(checkpoint.specialIds).toEqual({ bos: 1, eos: [2], pad: undefined });
    expect(stopIds).toEqual([2]);
  });

  it('finds the chat template of every home it has', async () => {
    const folder = await modelFolder();
    const said = async (field: unknown) => {
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template: field }));
      return (await openModel(folder)).chatTemplate;
    };
    expect(await said(template)).toBe(template);
    const named = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template },
    ];
    expect(await said(named)).toBe(template);
    expect(await said(null)).toBeUndefined();
    writeFileSync(join(folder, 'chat_template.jinja'), 'from the file');
    expect(await said(template)).toBe('from the file');
  });

  it('opens a GGUF file by itself, wherever it lies', async () => {
    const path = join(temporaryFolder(), 'whole.gguf');
    const gguf = new Map([
      ...ggufVocabulary(tokenizer),
      ['tokenizer.chat_template', { type: 'string', value: template }] as const,
    ]);
    const source = await openCheckpoint(await modelFolder([2, 30]));
    await convertCheckpoint(source, path, { to: 'gguf', vocabulary: { files: new Map(), gguf } });
    const model = await openModel(path);
    expect(model.tokenizer.fingerprint).toBe(tokenizer.fingerprint);
    expect([model.name, model.chatTemplate, model.tokenizerPath]).toEqual(['whole', template, path]);
    expect(model.stopIds).toEqual([2, 30]);
  });

  it('opens a run folder, the folder of its states, and a state, with the vocabulary of the run', async () => {
    const run = temporaryFolder();
    const states = join(run, 'checkpoints');
    mkdirSync(states);
    await expect(openModel(run)).rejects.toThrow(`${run} holds no complete training state yet`);
    const space = spaceOf(config);
    space.initialize(4);
    const state = { step: 3, config, counters: {}, fingerprints: {}, parameters: space };
    const { folder } = await saveTrainingState(states, state);
    await expect(openModel(run)).rejects.toThrow('no vocabulary lies beside');
    for (const [name, bytes] of serializeTokenizer(tokenizer, 'sentencepiece'))
      writeFileSync(join(run, name), bytes);
    for (const path of [run, states, folder]) {
      const model = await openModel(path);
      expect(model.checkpoint.path).toBe(folder);
      expect(model.tokenizerPath).toBe(run);
    }
  });

  it('takes another vocabulary where one is named, and refuses one that is none', async () => {
    const folder = await modelFolder();
    const other = join(temporaryFolder(), 'tokenizer.model');
    cpSync(join(folder, 'tokenizer.model'), other);
    expect((await openModel(folder, { tokenizer: other })).tokenizerPath).toBe(other);
    writeFileSync(other, readFileSync(join(folder, 'model.safetensors')));
    await expect(openModel(folder, { tokenizer: other })).rejects.toThrow(other);
    await expect(openModel(folder, { tokenizr: other } as object)).rejects.toThrow(
      'did you mean "tokenizer"',
    );
  });

  it.skipIf(!have(`${data}models/stories260K.bin`))('ends texts of llama2.c at BOS, too', async () => {
    const model = await openModel(`${data}models/stories260K.bin`, { tokenizer: `${data}models/tok512.bin` });
    expect(model.stopIds).toEqual([2, 1]);
    expect(model.name).toBe('stories260K');
  });
});
