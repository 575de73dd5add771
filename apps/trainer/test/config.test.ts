import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readOptions } from '@cria/cli';
import { deviceChoices } from '@cria/devices';
import { configOfFlags, runFlags } from '../src/commands/flags.ts';
import { checkConfig, loadConfig, printConfig } from '../src/config/load.ts';
import { contextLengthOf, learningRateOf, modelOf, vocabSizeOf } from '../src/config/model.ts';
import { runKey } from '../src/run/key.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-config-'));

function yaml(text: string): string {
  const path = join(folder, `${Math.random()}.yaml`);
  writeFileSync(path, text);
  return path;
}

describe('configuration', () => {
  it('fills every default', () => {
    const config = loadConfig(undefined);
    expect(config.training).toMatchObject({
      batch_size: 4,
      minutes: 2,
      gradient_clip: 1,
      beta2: 0.95,
      recompute: 'selective',
    });
    expect(config.run).toEqual({ seed: 0, device: 'auto', threads: 0 });
  });

  it('reads YAML, and --set over it', () => {
    const path = yaml('model:\n  preset: 15m\ntraining:\n  steps: 10\n  learning_rate: 1e-4\n');
    const config = loadConfig(path, [
      'training.learning_rate=3e-4',
      'data.sources=[{paths: [texts]}]',
      'run.seed=5',
    ]);
    expect(config.training).toMatchObject({ steps: 10, learning_rate: 3e-4 });
    expect(config.data.sources).toEqual([{ paths: ['texts'] }]);
    expect(config.run.seed).toBe(5);
  });

  it('prints a configuration that reads back as itself, with what each field does', () => {
    const config = loadConfig(yaml('model: {dim: 64}\ndata: {sources: [{paths: [a, b], weight: 2}]}\n'));
    const text = printConfig(config);
    expect(checkConfig(parse(text), 'printed')).toEqual(config);
    expect(text).toMatch(/batch_size: 4 +# samples an update/);
    expect(text).toMatch(/# n_layers: +# blocks/);
  });

  it.each([
    [
      'training:\n  learnin_rate: 1\n',
      'unknown key training.learnin_rate. hint: did you mean training.learning_rate?',
    ],
    ['trainin: {}\n', 'did you mean training?'],
    [
      'data: {sources: [{path: [a]}]}\n',
      'unknown key data.sources.0.path. hint: did you mean data.sources.0.paths?',
    ],
    ['training: {batch_size: many}\n', 'training.batch_size is "many", which must be integer'],
    ['training: {batch_size: 0}\n', 'training.batch_size is 0, which must be >= 1'],
    ['run: {device: gpu}\n', 'run.device is "gpu"'],
    ['training: 3\n', 'training is 3'],
    ['a: [1, 2\n', /config-.*\.yaml:\d+:\d+: /],
    ['- a\n- b\n', 'holds a list, not sections'],
  ])('refuses %j', (text, message) => {
    expect(() => loadConfig(yaml(text))).toThrow(message);
  });

  it('refuses a file that is not there, and a setting without a value', () => {
    expect(() => loadConfig('/nowhere.yaml')).toThrow(/cannot read \/nowhere\.yaml: ENOENT/);
    expect(() => loadConfig(undefined, ['training.steps'])).toThrow(
      /write --set training.learning_rate=3e-4/,
    );
  });
});

describe('model of a configuration', () => {
  const make = (text: string) => {
    const config = checkConfig(parse(text), 'test');
    return { model: modelOf(config, vocabSizeOf(config)), contextLength: contextLengthOf(config) };
  };

  it('is the preset, to the field', () => {
    const { model, contextLength } = make('model: {preset: 15m}');
    expect(model).toMatchObject({
      dim: 288,
      nLayers: 6,
      nHeads: 6,
      headDim: 48,
      ffnDim: 768,
      vocabSize: 32000,
      tiedEmbeddings: true,
    });
    expect(contextLength).toBe(256);
  });

  it('follows the fields that change it', () => {
    const { model } = make(
      '{model: {preset: 15m, dim: 64, n_heads: 4}, tokenizer: {vocab_size: 500}, training: {context_length: 32}}',
    );
    expect(model).toMatchObject({
      dim: 64,
      nHeads: 4,
      nKvHeads: 4,
      headDim: 16,
      ffnDim: 256,
      vocabSize: 500,
      contextLength: 32,
    });
  });

  it('has a learning rate that falls with the width to that of the paper, unless one is given', () => {
    const rate = (text: string) => {
      const config = checkConfig(parse(text), 'test');
      return learningRateOf(config, modelOf(config, 300));
    };
    expect(rate('{}')).toBeCloseTo(0.0039, 4);
    expect(rate('model: {preset: 110m}')).toBeCloseTo(6.5e-4, 5);
    expect(rate('model: {preset: llama-7b}')).toBe(3e-4);
    expect(rate('training: {learning_rate: 0.01}')).toBe(0.01);
  });

  it('refuses an unknown preset with the nearest name, and a context that the preset does not have', () => {
    expect(() => make('model: {preset: 15n}')).toThrow(/15m/);
    expect(() => make('{model: {preset: 15m}, training: {context_length: 4096}}')).toThrow(
      /longer than the 256/,
    );
  });
});

describe('the key of a run', () => {
  const sources = `data.sources=[{paths: [${JSON.stringify(folder)}], extensions: [.txt]}]`;
  writeFileSync(join(folder, 'a.txt'), 'a text');
  const key = (...set: string[]) => runKey(loadConfig(undefined, [sources, ...set]));

  it('does not depend on where it lies, what computes it and what of it is kept', () => {
    const same = ['run.folder=x', 'run.threads=3', 'training.keep_last=7', 'training.keep_every=10'];
    for (const setting of same) expect(key(setting), setting).toBe(key());
    for (const setting of ['run.seed=1', 'training.steps=5', 'training.save_every=3'])
      expect(key(setting), setting).not.toBe(key());
  });

  it('is that of the settings which --keep-last and --keep-every stand for', () => {
    const { training } = configOfFlags('train', { 'keep-last': 3, 'keep-every': 100 });
    expect([training.keep_last, training.keep_every]).toEqual([3, 100]);
    expect(() => readOptions('cria train', ['--keep-last', '0'], runFlags)).toThrow(
      '[cria train] --keep-last is "0". hint: give a whole number from 1',
    );
  });

  it('what a flag takes, its bounds and help are those of its setting', () => {
    const { seed, device, threads, minutes, dtype, preset } = runFlags;
    expect(seed).toMatchObject({ takes: 'whole', from: 0, otherwise: '0' });
    expect(threads).toMatchObject({ takes: 'whole', from: 0, to: 1024, otherwise: '0' });
    expect(minutes).toMatchObject({ takes: 'number', from: 0.01, otherwise: '2' });
    expect(dtype).toMatchObject({ takes: ['auto', 'f32', 'bf16'], otherwise: 'auto' });
    expect(device).toMatchObject({ takes: deviceChoices });
    expect(preset).toMatchObject({
      takes: 'text',
      help: 'a named shape, such as 15m; other fields of this section change it',
    });
    // Every flag reaches its setting: no two are one, none is lost.
    const args = ['--steps', '7', '--seed', '8', '--keep-last', '9', '--threads', '10', '--text-field', 't'];
    const read = readOptions('cria train', [...args, '--folder', 'f', '--dtype', 'f32'], runFlags);
    if (read === 'help') throw new Error('no help was asked for');
    expect(configOfFlags('train', read.values)).toMatchObject({
      run: { folder: 'f', seed: 8, threads: 10 },
      data: { text_field: 't' },
      training: { steps: 7, keep_last: 9, dtype: 'f32' },
    });
  });
});
