import { existsSync, mkdirSync, readdirSync, readFileSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@cria/checkpoint';
import { serializeTokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { describe, expect, it } from 'vitest';
import { cria, root, small, temporaryFolder, texts } from './helpers.ts';

const data = texts();
const shared = join(root, '../shared');
const folder = temporaryFolder();
const own = join(folder, 'own');
mkdirSync(own);

/** A vocabulary of our own in every format that can hold it, and what else is on this machine. */
async function vocabularies(): Promise<[string, string][]> {
  const model = join(own, 'tokenizer.model');
  await cria('tokenizer', 'train', '--data', data, '--vocab-size', '400', '--out', model);
  const found: [string, string][] = [['tokenizer.model', model]];
  for (const name of ['tokenizer.json', 'vocab.gguf', 'tokenizer.bin']) {
    const place = join(own, name.replace('.', '-'));
    mkdirSync(place);
    const { code, errors } = await cria(
      'tokenizer',
      'convert',
      '--tokenizer',
      model,
      '--out',
      join(place, name),
    );
    if (code !== 0) throw new Error(errors);
    found.push([name, join(place, name)]);
  }
  const bytes = join(own, 'bytes.json');
  await cria('tokenizer', 'train', '--data', data, '--byte-level', '--vocab-size', '700', '--out', bytes);
  found.push(['a byte-level tokenizer.json of another name', bytes]);
  const ranks = serializeTokenizer(await loadTokenizer(bytes), 'tiktoken').get('tokenizer.model')!;
  writeFileSync(join(own, 'ranks.model'), ranks);
  found.push(['tiktoken', join(own, 'ranks.model')]);
  for (const [name, path] of [
    ['a folder with two', 'faults/two-tokenizers-in-a-folder/model'],
    ['tokenizer.json with added tokens', 'faults/two-tokenizers-in-a-folder/model/tokenizer.json'],
    ['GPT-2 in GGUF', 'data/tokenizer/gpt2.vocab.gguf'],
  ] as const)
    if (existsSync(join(shared, path))) found.push([name, join(shared, path)]);
  return found;
}

describe.each(await vocabularies())('a run with %s', (name, path) => {
  it('keeps it, and whatever opens the run finds it', { timeout: 120_000 }, async () => {
    const run = join(folder, name.replaceAll(/\W/g, '-'));
    const flags = ['--data', data, '--steps', '2', '--folder', run, ...small, '--set', 'model.dim=16'];
    const trained = await cria('train', ...flags, '--set', `tokenizer.path=${path}`);
    expect([trained.code, trained.errors]).toEqual([0, '']);
    const { fingerprint } = await loadTokenizer(path);
    expect((await openModel(run)).tokenizer.fingerprint).toBe(fingerprint);
    const [state] = readdirSync(join(run, 'checkpoints'));
    const saved = join(run, 'checkpoints', state!);
    expect((await openModel(saved)).tokenizer.fingerprint).toBe(fingerprint);
    // A state alone, moved elsewhere, is a model with its vocabulary.
    expect((await loadTokenizer(saved)).fingerprint).toBe(fingerprint);
    const kept = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'].filter((each) =>
      existsSync(join(run, each)),
    );
    for (const each of kept) {
      expect(existsSync(join(saved, each))).toBe(true);
      if (path.endsWith(each)) expect(readFileSync(join(run, each))).toEqual(readFileSync(path));
    }
    const sampled = await cria('sample', '--model', run, '--prompt', 'the', '--max-tokens', '3');
    expect(sampled.code, sampled.errors).toBe(0);
  });
});

it(
  'a tokenizer.json is kept with what lies beside it, and a run that has it goes on',
  { timeout: 60_000 },
  async () => {
    const given = join(folder, 'chat');
    mkdirSync(given);
    for (const file of ['tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(join(own, 'tokenizer-json', file), join(given, file));
    const config = join(given, 'tokenizer_config.json');
    writeFileSync(
      config,
      JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), chat_template: '{{ x }}' }),
    );
    const run = join(folder, 'chat-run');
    const args = ['train', '--data', data, '--folder', run, ...small, '--steps', '2'];
    const set = ['--set', `tokenizer.path=${join(given, 'tokenizer.json')}`];
    expect((await cria(...args, ...set)).code).toBe(0);
    expect((await openModel(run)).chatTemplate).toBe('{{ x }}');
    expect((await cria(...args, ...set)).out).toContain('found the finished run');
  },
);
