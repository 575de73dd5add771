/** Relatives of LLaMA as transformers writes them: its logits, and the same after every conversion. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Checkpoint,
  type ConversionTarget,
  convertCheckpoint,
  loadTrainingState,
  openCheckpoint,
  saveHuggingFace,
  saveTrainingState,
} from '@cria/checkpoint';
import { GgufFile, SafetensorsFile, writeGguf, writeSafetensors } from '@cria/checkpoint/formats';
import { Llama, llamaConfig } from '@cria/layers';
import { type Device, openStep, type ParameterSpace, reference } from '@cria/tensor';
import type { GgufEntry } from '@cria/tokenizer';
import { afterAll, describe, expect, it } from 'vitest';
import { bitsOf, fillWithBits, have, temporaryFolder, tiny } from './helpers.ts';

/** Made by transformers: `vectors/families.py`. */
const root = fileURLToPath(new URL('vectors/families', import.meta.url));
const ids = JSON.parse(readFileSync(join(root, 'ids.json'), 'utf8')) as number[];
const names = readdirSync(root).filter((name) => !name.includes('.'));
const scratch = mkdtempSync(join(tmpdir(), 'cria-families-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const windows = { slidingWindow: 3, slidingLayers: [false, true] };

/** A model of the checkpoint with its weights. */
async function modelOf(checkpoint: Checkpoint, device: Device): Promise<Llama> {
  const model = new Llama(checkpoint.config, { device });
  model.parameters.allocate();
  await checkpoint.load(model.parameters);
  return model;
}

/** Logits of every position. */
async function logitsOf(path: string, tokens: readonly number[] = ids): Promise<Float32Array> {
  using device = reference();
  using model = await modelOf(await openCheckpoint(path), device);
  using step = openStep(device, { rows: tokens.length });
  const hidden = model.forward(step.integers(Int32Array.from(tokens)), step);
  return model.output.forward(hidden, step).toFloat32();
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const furthest = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  expect(furthest / size).toBeLessThan(2e-5);
}

/** What a format has no place for. */
const refused: Readonly<Record<string, Readonly<Partial<Record<ConversionTarget, string>>>>> = {
  dynamic: { gguf: 'RoPE scaling of type dynamic', meta: 'RoPE scaling of type dynamic' },
  linear: { meta: 'RoPE scaling of type linear' },
  yarn: { meta: 'RoPE scaling of type yarn' },
  'yarn-mscale': { meta: 'RoPE scaling of type yarn' },
  'yarn-exact': { gguf: 'yarn without truncation', meta: 'RoPE scaling of type yarn' },
  'mistral-window': { meta: 'a sliding window of 7' },
};

describe.each(names)('%s', (name) => {
  const folder = join(root, name);
  const theirs = () => {
    const bytes = readFileSync(join(folder, 'logits.f32'));
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  };

  it('gives the logits of transformers', async () => {
    expectClose(await logitsOf(folder), theirs());
  });

  it.each(['gguf', 'hf', 'meta'] as const)('comes back from %s', async (to) => {
    const path = join(scratch, `${name}.${to}`);
    const source = await openCheckpoint(folder);
    const reason = refused[name]?.[to];
    if (reason !== undefined) return expect(convertCheckpoint(source, path, { to })).rejects.toThrow(reason);
    await convertCheckpoint(source, path, { to });
    if (to !== 'meta') {
      const { config } = await openCheckpoint(path);
      expect({ ...config, ropeScaling: undefined }).toEqual({ ...source.config, ropeScaling: undefined });
      expect(config.ropeScaling?.type ?? 'llama3').toBe(source.config.ropeScaling?.type ?? 'llama3');
    }
    expectClose(await logitsOf(path), theirs());
  });

  it('comes back from saveHuggingFace', async () => {
    using device = reference();
    const source = await openCheckpoint(folder);
    using model = await modelOf(source, device);
    await saveHuggingFace(join(scratch, `${name}-saved`), source.config, model.parameters);
    expect((await openCheckpoint(join(scratch, `${name}-saved`))).config).toEqual(source.config);
    expect(await logitsOf(join(scratch, `${name}-saved`))).toEqual(await logitsOf(folder));
  });
});

describe('a GGUF file of another converter', () => {
  const folder = fileURLToPath(new URL('../../../../shared/faults/gguf-attention-bias/', import.meta.url));

  it.skipIf(!have(folder))('with biases of query, key and value gives the logits of llama.cpp', async () => {
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
      readonly ids: readonly number[];
      readonly logits_last_first8: readonly number[];
    };
    const path = join(folder, 'bias.gguf');
    const { config } = await openCheckpoint(path);
    expect(config.attentionBias).toBe('qkv');
    const logits = await logitsOf(path, expected.ids);
    const last = logits.subarray(logits.length - config.vocabSize);
    expected.logits_last_first8.forEach((value, i) => expect(Math.abs(last[i]! - value)).toBeLessThan(0.01));
    // transformers has no such model: it gets zeros for the output's bias.
    await convertCheckpoint(await openCheckpoint(path), join(scratch, 'qkv'), { to: 'hf' });
    expect((await openCheckpoint(join(scratch, 'qkv'))).config.attentionBias).toBe('all');
    expectClose(await logitsOf(join(scratch, 'qkv'), expected.ids), logits);
  });
});

describe('a GGUF file in parts', () => {
  const parts = ['model-00001-of-00002.gguf', 'model-00002-of-00002.gguf'] as const;

  /** As gguf-split makes them: metadata in the first, numbers in all. */
  async function split(edit: (metadata: Map<string, GgufEntry>, part: number) => void = () => undefined) {
    const folder = mkdtempSync(join(scratch, 'parts-'));
    const whole = join(folder, 'whole.gguf');
    await convertCheckpoint(await openCheckpoint(join(root, 'llama3')), whole, { to: 'gguf' });
    const file = await GgufFile.open(whole);
    const tensors = [...file.tensors.values()];
    for (const [part, name] of parts.entries()) {
      const metadata = new Map<string, GgufEntry>([
        ...(part === 0 ? file.metadata : []),
        ['split.no', { type: 'u16', value: part }],
        ['split.count', { type: 'u16', value: 2 }],
        ['split.tensors.count', { type: 'i32', value: tensors.length }],
      ]);
      edit(metadata, part);
      const own = part === 0 ? tensors.slice(0, 7) : tensors.slice(7);
      await writeGguf(
        join(folder, name),
        metadata,
        own.map(({ name, dtype, shape }) => ({
          name,
          dtype: dtype as 'f32',
          shape,
          chunks: async function* () {
            yield await file.read(name);
          },
        })),
      );
    }
    return folder;
  }

  it('opens by any part, and is written whole', async () => {
    const folder = await split();
    const expected = await logitsOf(join(folder, 'whole.gguf'));
    for (const part of parts) expect(await logitsOf(join(folder, part))).toEqual(expected);
    const again = join(folder, 'again.gguf');
    await convertCheckpoint(await openCheckpoint(join(folder, parts[0])), again, { to: 'gguf' });
    expect(readFileSync(again).equals(readFileSync(join(folder, 'whole.gguf')))).toBe(true);
  });

  it('of which one is missing, of another model or too short is refused by name', async () => {
    const folder = await split();
    rmSync(join(folder, parts[1]));
    await expect(openCheckpoint(join(folder, parts[0]))).rejects.toThrow(`${parts[1]} is not there`);
    const other = await split(
      (metadata, part) => part === 1 && metadata.set('split.no', { type: 'u16', value: 5 }),
    );
    await expect(openCheckpoint(join(other, parts[0]))).rejects.toThrow(
      'does not say that it is part 2 of 2',
    );
    const short = await split((metadata) => metadata.set('split.tensors.count', { type: 'i32', value: 99 }));
    await expect(openCheckpoint(join(short, parts[1]))).rejects.toThrow('promises 99 tensors');
  });
});

describe('names of weights', () => {
  const source = join(root, 'attention-bias');
  const withNames = async (rename: (name: string) => string) => {
    const folder = mkdtempSync(join(scratch, 'names-'));
    cpSync(join(source, 'config.json'), join(folder, 'config.json'));
    const file = await SafetensorsFile.open(join(source, 'model.safetensors'));
    const tensors = [...file.tensors.values()].map(({ name, dtype, shape }) => ({
      name: rename(name),
      dtype,
      shape,
      chunks: async function* () {
        yield await file.read(name);
      },
    }));
    await writeSafetensors(join(folder, 'model.safetensors'), tensors);
    return folder;
  };

  it.each<[string, (name: string) => string]>([
    ['module.', (name) => `module.${name}`],
    ['_orig_mod.', (name) => `_orig_mod.${name}`],
    ['both', (name) => `_orig_mod.module.${name}`],
    ['base_model.model.', (name) => `base_model.model.${name}`],
    ['no model.', (name) => name.replace(/^model\./, '')],
  ])('%s', async (_, rename) => {
    expect(await logitsOf(await withNames(rename))).toEqual(await logitsOf(source));
  });

  it('a bias that is missing is named', async () => {
    const folder = await withNames((name) => name.replace('layers.1.self_attn.o_proj.bias', 'other'));
    await expect(logitsOf(folder)).rejects.toThrow('layers.1.attention.wo.bias is missing');
  });
});

describe('a training state', () => {
  it.each([
    ['biases of query, key and value', { attentionBias: 'qkv' }],
    ['every bias and a window in one layer', { attentionBias: 'all', mlpBias: true, ...windows }],
    ['yarn', { ropeScaling: { type: 'yarn', factor: 4, originalContextLength: 64, truncate: false } }],
    [
      'dynamic',
      { contextLength: 77, ropeScaling: { type: 'dynamic', factor: 2, originalContextLength: 64 } },
    ],
  ] as const)('of a model with %s comes back bit for bit', async (_, fields) => {
    const config = llamaConfig({ ...tiny, nLayers: 2, ...fields });
    const [saved, back] = [0, 1].map(() => {
      const { parameters } = new Llama(config, { device: reference() });
      parameters.allocate();
      return parameters;
    }) as [ParameterSpace, ParameterSpace];
    fillWithBits(saved, 5);
    const folder = temporaryFolder();
    await saveTrainingState(folder, { step: 1, parameters: saved, config, counters: {} });
    const state = await loadTrainingState(folder);
    expect(state.checkpoint.config).toEqual(config);
    await state.load(back);
    expect(await bitsOf(back)).toEqual(await bitsOf(saved));
  });
});
