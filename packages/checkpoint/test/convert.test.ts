import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { llamaConfig, type LlamaConfig } from '@cria/layers';
import { dequantize, dtypes } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  convertCheckpoint,
  type ConvertOptions,
  openCheckpoint,
  saveHuggingFace,
} from '@cria/checkpoint';
import { GgufFile, ropeDivisors } from '@cria/checkpoint/formats';
import { data, fixtures, have, shapesOf, spaceOf, temporaryFolder, tiny } from './helpers.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The float32 bits of every tensor, by name. */
async function bits(checkpoint: Checkpoint): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of checkpoint.tensors.keys())
    all[name] = sha256(new Uint8Array((await checkpoint.read(name)).slice().buffer));
  return all;
}

async function saved(config: LlamaConfig, options: object = {}): Promise<Checkpoint> {
  const folder = temporaryFolder();
  const space = spaceOf(config);
  space.initialize(3);
  await saveHuggingFace(folder, config, space, { specialIds: { bos: 1, eos: [2, 3] }, ...options });
  return openCheckpoint(folder);
}

async function converted(source: Checkpoint, options: ConvertOptions): Promise<Checkpoint> {
  const names = { hf: 'model', meta: 'model', gguf: 'model.gguf', llama2c: 'model.bin' };
  const path = join(temporaryFolder(), names[options.to]);
  await convertCheckpoint(source, path, options);
  return openCheckpoint(path);
}

const shapes: [string, LlamaConfig][] = [
  ['heads of their own', llamaConfig({ ...tiny, nHeads: 4, nKvHeads: 4, dim: 32, headDim: 8 })],
  ['grouped heads', llamaConfig({ ...tiny, nHeads: 4, nKvHeads: 2, dim: 32, headDim: 8 })],
  ['wide heads', tiny],
  [
    'tied, scaled RoPE',
    llamaConfig({
      ...tiny,
      dim: 32,
      headDim: 16,
      nHeads: 2,
      nKvHeads: 2,
      ropeTheta: 500000,
      tiedEmbeddings: true,
      ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 64 },
    }),
  ],
];

describe('conversion', () => {
  it.each(shapes)('keeps every bit and the configuration, %s', async (_, config) => {
    const source = await saved(config);
    const expected = await bits(source);
    for (const first of ['gguf', 'meta', 'hf'] as const) {
      const once = await converted(source, { to: first });
      expect(once.config, first).toEqual(config);
      for (const second of ['hf', 'gguf', 'meta'] as const) {
        const twice = await converted(once, { to: second });
        const found = await bits(twice);
        if (config.tiedEmbeddings && second === 'meta') {
          expect(found['output.weight']).toBe(expected['tok_embeddings.weight']);
          delete found['output.weight'];
        }
        expect(found, `${first} ${second}`).toEqual(expected);
        expect(twice.config, `${first} ${second}`).toEqual(config);
      }
    }
  });

  it('splits and merges any model-parallel degree', async () => {
    const config = llamaConfig({
      ...tiny,
      dim: 32,
      nHeads: 8,
      nKvHeads: 4,
      headDim: 4,
      ffnDim: 48,
      vocabSize: 64,
    });
    const source = await saved(config);
    for (const theta of [10000, 500000]) {
      const model = { ...source, config: llamaConfig({ ...config, ropeTheta: theta }) };
      for (const shards of [1, 2, 4]) {
        const meta = await converted(model, { to: 'meta', shards });
        expect(readdirSync(meta.path)).toContain(`consolidated.0${shards - 1}.pth`);
        expect(await bits(meta)).toEqual(await bits(source));
        for (const again of [2, 1])
          expect(await bits(await converted(meta, { to: 'meta', shards: again }))).toEqual(
            await bits(source),
          );
        const sums = readFileSync(join(meta.path, 'checklist.chk'), 'utf8').trimEnd().split('\n');
        expect(sums).toHaveLength(shards + 1);
        for (const line of sums) {
          const [md5, name = ''] = line.split('  ');
          expect(
            createHash('md5')
              .update(readFileSync(join(meta.path, name)))
              .digest('hex'),
          ).toBe(md5);
        }
      }
    }
    await expect(converted(source, { to: 'meta', shards: 3 })).rejects.toThrow('which 3 shards cannot share');
  });

  it('shares the files of Hugging Face as wished', async () => {
    const source = await saved(tiny);
    const shared = await converted(source, { to: 'hf', shards: 3 });
    expect(readdirSync(shared.path).filter((name) => name.endsWith('.safetensors'))).toHaveLength(3);
    expect(await bits(shared)).toEqual(await bits(source));
    expect(shared.specialIds).toEqual({ bos: 1, eos: [2, 3], pad: undefined });
    expect(JSON.parse(readFileSync(join(shared.path, 'generation_config.json'), 'utf8'))).toMatchObject({
      eos_token_id: [2, 3],
    });
    const gguf = await converted(shared, { to: 'gguf' });
    expect(gguf.specialIds).toEqual({ bos: 1, eos: [2, 3], pad: undefined });
  });

  it('rounds to the type that is asked for, and tells the error', async () => {
    const source = await saved(tiny);
    const exact = await source.read('layers.1.feed_forward.w2.weight');
    for (const [to, dtype] of [
      ['gguf', 'bf16'],
      ['meta', 'f16'],
      ['hf', 'bf16'],
    ] as const) {
      const reports = new Map<string, { rmse: number; largest: number }>();
      const rounded = await converted(source, {
        to,
        dtype,
        onWeight: (report) => reports.set(report.name, report),
      });
      expect(rounded.tensors.get('layers.1.feed_forward.w2.weight')?.dtype).toBe(dtype);
      expect(rounded.tensors.get('norm.weight')?.dtype).toBe(to === 'gguf' ? 'f32' : dtype);
      const found = await rounded.read('layers.1.feed_forward.w2.weight');
      const differences = found.map((value, i) => Math.abs(value - exact[i]!));
      const report = reports.get('layers.1.feed_forward.w2.weight');
      expect(report?.largest).toBeCloseTo(Math.max(...differences), 10);
      expect(report?.largest).toBeGreaterThan(0);
      const squares = differences.reduce((sum, each) => sum + each * each, 0);
      expect(report?.rmse).toBeCloseTo(Math.sqrt(squares / differences.length), 8);
    }
  });

  it('refuses what a format cannot hold, before anything is written', async () => {
    const source = await saved(tiny);
    const path = join(temporaryFolder(), 'out');
    const refuse = (options: object) =>
      expect(convertCheckpoint(source, path, options as ConvertOptions)).rejects;
    await refuse({ to: 'llama2c' }).toThrow('the model has headDim 8, llama2.c always 4');
    await refuse({ to: 'ggfu' }).toThrow('did you mean "gguf"');
    await refuse({ to: 'hf', quantize: 'q4_0' }).toThrow('hf files hold no quantised weights');
    await refuse({ to: 'gguf', quantize: 'q4_k_mm' }).toThrow('did you mean q4_k_m');
    await refuse({ to: 'gguf', quantize: 'q4_0', dtype: 'f16' }).toThrow('both dtype f16 and quantize q4_0');
    await refuse({ to: 'gguf', shards: 2 }).toThrow('one file, not 2 shards');
    await refuse({ to: 'hf', dtype: 'F8' }).toThrow('dtype is "F8"');
    await refuse({ to: 'hf', quantise: 'q8_0' }).toThrow('did you mean "quantize"');
    const cut = { ...source, tensors: new Map([...source.tensors].slice(1)) };
    await expect(convertCheckpoint(cut, path, { to: 'hf' })).rejects.toThrow(
      'is not a whole LLaMA: 1 tensors missing',
    );
    expect(existsSync(path)).toBe(false);
  });
});

describe('real files', () => {
  const stories = join(data, 'models/stories260K.bin');

  it.skipIf(!have(stories))('stories260K goes to every format and back, to the last byte', async () => {
    const source = await openCheckpoint(stories);
    const expected = await bits(source);
    for (const to of ['hf', 'gguf', 'meta', 'llama2c'] as const) {
      const there = await converted(source, { to });
      const found = await bits(there);
      if (to === 'meta') delete found['output.weight'];
      expect(found, to).toEqual(expected);
      const back = await converted(there, { to: 'llama2c' });
      const [ours, theirs] = [readFileSync(back.path), readFileSync(stories)];
      expect(ours.length, to).toBe(theirs.length);
      const tables = ours.length - 2 * 4 * 512 * 4;
      expect(ours.subarray(0, tables).equals(theirs.subarray(0, tables)), to).toBe(true);
      for (let at = tables; at < ours.length; at += 4)
        expect(Math.abs(ours.readFloatLE(at) - theirs.readFloatLE(at))).toBeLessThan(1e-4);
    }
  });

  const random = join(data, 'models/llama-2-tiny-random.gguf');
  it.skipIf(!have(random))('llama-2-tiny-random.gguf opens', async () => {
    const opened = await openCheckpoint(random);
    expect(opened.config).toMatchObject({ dim: 8, nLayers: 1, nHeads: 2, ffnDim: 32, vocabSize: 32000 });
    expect(opened.tensors.size).toBe(12);
    expect(opened.tensors.get('layers.0.attention.wq.weight')?.dtype).toBe('f16');
    expect(opened.tensors.get('norm.weight')?.dtype).toBe('f32');
    // A copy keeps all metadata, with its types, and all tensors.
    const copy = await converted(opened, { to: 'gguf' });
    const [before, after] = [await GgufFile.open(random), await GgufFile.open(copy.path)];
    for (const [key, entry] of before.metadata) expect(after.metadata.get(key), key).toEqual(entry);
    expect(await bits(copy)).toEqual(await bits(opened));
    expect(statSync(copy.path).size).toBeGreaterThan(0.99 * statSync(random).size);
  });

  it.each(['llama-spm.vocab.gguf', 'gpt2.vocab.gguf'])(
    '%s: metadata is read, and named as a vocabulary only',
    async (name) => {
      const path = join(data, 'tokenizer', name);
      if (!have(path)) return;
      const file = await GgufFile.open(path);
      expect(file.tensors.size).toBe(0);
      expect(file.metadata.get('tokenizer.ggml.tokens')?.type).toBe('array');
      if (name.startsWith('llama')) expect(file.metadata.size).toBe(22);
      await expect(openCheckpoint(path)).rejects.toThrow('it holds a vocabulary only');
    },
  );

  it('RoPE divisors of Llama 3.1 have the published bits', () => {
    const scaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
    const divisors = ropeDivisors(128, 500000, scaling);
    expect(sha256(new Uint8Array(divisors.buffer))).toBe(
      '80fd5efb2f729381785b293a091a268cfeceb0079167f6ece9b07070e662b222',
    );
  });

  it.skipIf(!have(join(fixtures, 'llama/tied-scaled-rope')))(
    'models of transformers go through all formats',
    async () => {
      for (const name of ['mha', 'gqa', 'mqa', 'tied-scaled-rope']) {
        const source = await openCheckpoint(join(fixtures, 'llama', name));
        const gguf = await converted(source, { to: 'gguf' });
        const meta = await converted(gguf, { to: 'meta' });
        const back = await converted(meta, { to: 'hf' });
        expect(back.config).toEqual(source.config);
        const stored = readFileSync(join(back.path, 'model.safetensors'));
        const original = readFileSync(join(source.path, 'model.safetensors'));
        const dataOf = (file: Buffer) => file.subarray(8 + Number(file.readBigUInt64LE(0)));
        expect(sha256(dataOf(stored)), name).toBe(sha256(dataOf(original)));
      }
    },
  );
});

describe('quantised files', () => {
  const wide = llamaConfig({
    dim: 256,
    nLayers: 8,
    nHeads: 4,
    nKvHeads: 2,
    ffnDim: 512,
    vocabSize: 64,
    contextLength: 64,
  });

  const small = llamaConfig({ ...wide, nLayers: 3, ffnDim: 256 });

  it('have the types of the mix, and read as the values of their blocks', async () => {
    const source = await saved(wide);
    const layers = { first: 0, third: 3 };
    const file = await converted(source, { to: 'gguf', quantize: 'q4_k_m' });
    const dtype = (name: string) => file.tensors.get(name)?.dtype;
    expect(dtype('output.weight')).toBe('q6_k');
    expect(dtype('tok_embeddings.weight')).toBe('q4_k');
    expect(dtype(`layers.${layers.first}.feed_forward.w2.weight`)).toBe('q6_k');
    expect(dtype(`layers.${layers.third}.attention.wv.weight`)).toBe('q6_k');
    expect(dtype('layers.1.attention.wv.weight')).toBe('q4_k');
    expect(dtype('layers.1.ffn_norm.weight')).toBe('f32');
    const entries = (await GgufFile.open(file.path)).metadata;
    expect(entries.get('general.file_type')?.value).toBe(15);
    expect(entries.get('general.quantization_version')?.value).toBe(2);
    const tensor = file.tensors.get('layers.0.attention.wq.weight')!;
    const blocks = await tensor.readBytes(0, tensor.bytes);
    const values = new Float32Array((blocks.length / dtypes.q4_k.blockBytes) * 256);
    dequantize('q4_k', blocks, values);
    expect(await file.read(tensor.name)).toEqual(values);
    const space = spaceOf(wide);
    await file.load(space);
    expect(await space.get(tensor.name)!.value.toFloat32()).toEqual(values);
    // Blocks go from GGUF to GGUF untouched, and to other formats as f32.
    expect(await bits(await converted(file, { to: 'gguf' }))).toEqual(await bits(file));
    expect(await bits(await converted(file, { to: 'hf' }))).toEqual(await bits(file));
  });

  it('name the tensor that holds a NaN', async () => {
    const source = await saved(small);
    const poisoned = new Map(source.tensors);
    const weight = source.tensors.get('layers.2.attention.wo.weight')!;
    const readBytes = async (begin: number, end: number) => {
      const bytes = await weight.readBytes(begin, end);
      new DataView(bytes.buffer).setFloat32(400, NaN, true);
      return bytes;
    };
    poisoned.set(weight.name, { ...weight, readBytes });
    for (const quantize of ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k_m', 'q6_k'])
      await expect(converted({ ...source, tensors: poisoned }, { to: 'gguf', quantize })).rejects.toThrow(
        'layers.2.self_attn.o_proj.weight',
      );
  });

  it('are nearer where importance counts', async () => {
    const source = await saved(small);
    const name = 'layers.2.feed_forward.w1.weight';
    const importance = Float32Array.from({ length: 256 }, (_, c) => (c % 16 === 0 ? 100 : 0.01));
    const error = async (options: object) => {
      const [exact, stored] = [
        await source.read(name),
        await (await converted(source, { to: 'gguf', quantize: 'q4_k_s', ...options })).read(name),
      ];
      return exact.reduce((sum, value, i) => sum + importance[i % 256]! * (value - stored[i]!) ** 2, 0);
    };
    expect(await error({ importance: new Map([[name, importance]]) })).toBeLessThan(0.5 * (await error({})));
    const short = new Map([[name, importance.subarray(1)]]);
    await expect(error({ importance: short })).rejects.toThrow('has 255 columns, the weight 256');
  });
});

describe('the shapes helper', () => {
  it('agrees with what conversions write', async () => {
    const file = await converted(await saved(tiny), { to: 'gguf' });
    expect([...file.tensors].map(([name, { shape }]) => [name, [...shape]]).sort()).toEqual(
      shapesOf(tiny).sort(),
    );
  });
});
