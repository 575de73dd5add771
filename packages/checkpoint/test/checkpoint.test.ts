import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaConfig, type LlamaConfig } from '@cria/layers';
import { bf16ToNumber, f16ToNumber, numberToBf16, ParameterSpace, reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { fromHuggingFaceName, toHuggingFaceName, writeSafetensors } from '@cria/checkpoint/formats';
import {
  bitsOf,
  data,
  fillWithBits,
  fixtures,
  have,
  plainParse,
  shapesOf,
  spaceOf,
  temporaryFolder,
  tiny,
} from './helpers.ts';

async function valueOf(space: ParameterSpace, name: string): Promise<Float32Array> {
  const parameter = space.get(name);
  if (!parameter) throw new Error(name);
  return parameter.value.toFloat32();
}

describe('Hugging Face folders', () => {
  it('maps names both ways', () => {
    for (const [name] of shapesOf(tiny)) expect(fromHuggingFaceName(toHuggingFaceName(name)!)).toBe(name);
    expect(toHuggingFaceName('layers.7.feed_forward.w3.weight')).toBe('model.layers.7.mlp.up_proj.weight');
    expect(toHuggingFaceName('layers.7.ffn_norm.weight')).toBe(
      'model.layers.7.post_attention_layernorm.weight',
    );
    for (const odd of ['layers.07.ffn_norm.weight', 'layers.1.nothing.weight', 'ffn_norm.weight', 'x'])
      expect(toHuggingFaceName(odd)).toBeUndefined();
  });

  it('has the row order of transformers in wq and wk, and of nothing else', async () => {
    const folder = temporaryFolder();
    const space = spaceOf(tiny);
    space.initialize(1);
    await saveHuggingFace(folder, tiny, space);
    const file = plainParse(join(folder, 'model.safetensors'));
    const { dim: D, headDim: E } = tiny;
    for (const [part, heads] of [
      ['q', tiny.nHeads],
      ['k', tiny.nKvHeads],
    ] as const) {
      const meta = await valueOf(space, `layers.1.attention.w${part}.weight`);
      const bytes = file[`model.layers.1.self_attn.${part}_proj.weight`]!.bytes;
      const stored = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      // convert_llama_weights_to_hf.py: w.view(heads, E / 2, 2, D).transpose(1, 2).reshape(heads * E, D)
      for (let h = 0; h < heads; h++) {
        for (let j = 0; j < E / 2; j++) {
          for (let i = 0; i < 2; i++) {
            for (let d = 0; d < D; d++)
              expect(stored[(h * E + i * (E / 2) + j) * D + d]).toBe(meta[(h * E + 2 * j + i) * D + d]);
          }
        }
      }
    }
    const value = Buffer.from((await valueOf(space, 'layers.1.attention.wv.weight')).buffer);
    expect(file['model.layers.1.self_attn.v_proj.weight']!.bytes).toEqual(value);
  });

  it.each([
    ['one file', undefined, tiny],
    ['shards', 3000, tiny],
    ['one shard a tensor', 1, tiny],
    ['tied embeddings', undefined, llamaConfig({ ...tiny, tiedEmbeddings: true })],
  ] as const)('come back bit for bit: %s', async (_, maxShardBytes, config) => {
    const folder = temporaryFolder();
    const space = spaceOf(config);
    fillWithBits(space, 5);
    await saveHuggingFace(folder, config, space, {
      specialIds: { bos: 1, eos: [2] },
      ...(maxShardBytes ? { maxShardBytes } : {}),
    });
    const opened = await openCheckpoint(folder);
    expect([opened.format, opened.config, opened.specialIds]).toEqual([
      'huggingface',
      config,
      { bos: 1, eos: [2], pad: undefined },
    ]);
    expect([...opened.tensors.keys()].sort()).toEqual(
      shapesOf(config)
        .map(([name]) => name)
        .sort(),
    );
    const copy = spaceOf(config);
    await opened.load(copy);
    expect(await bitsOf(copy)).toEqual(await bitsOf(space));
  });

  it('replaces an earlier save of another shape without leaving its files', async () => {
    const folder = temporaryFolder();
    const space = spaceOf(tiny);
    await saveHuggingFace(folder, tiny, space, { maxShardBytes: 3000 });
    expect(readdirSync(folder).length).toBeGreaterThan(4);
    await saveHuggingFace(folder, tiny, space);
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors']);
    await saveHuggingFace(folder, tiny, space, { maxShardBytes: 3000 });
    expect(readdirSync(folder)).not.toContain('model.safetensors');
    await expect(saveHuggingFace(folder, tiny, space, { dtype: 'F8' as 'f32' })).rejects.toThrow(
      'dtype is "F8"',
    );
    await expect(saveHuggingFace(folder, tiny, space, { dtpye: 'f32' } as object)).rejects.toThrow(
      'did you mean "dtype"',
    );
  });

  it('converts dtypes, rounding to nearest', async () => {
    const space = spaceOf(tiny);
    space.initialize(2);
    const exact = await valueOf(space, 'layers.0.attention.wq.weight');
    for (const [dtype, widen] of [
      ['bf16', bf16ToNumber],
      ['f16', f16ToNumber],
      ['f64', undefined],
    ] as const) {
      const folder = temporaryFolder();
      await saveHuggingFace(folder, tiny, space, { dtype });
      const opened = await openCheckpoint(folder);
      const read = await opened.read('layers.0.attention.wq.weight');
      const limit = dtype === 'bf16' ? 2 ** -8 : dtype === 'f16' ? 2 ** -10 : 0;
      for (const [i, value] of read.entries())
        expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(
          limit * Math.abs(exact[i]!) + (limit && 2 ** -25),
        );
      if (!widen) continue;
      const half = spaceOf(tiny, { dtype: dtype === 'bf16' ? 'bf16' : 'f16' });
      await opened.load(half);
      expect(await valueOf(half, 'layers.0.attention.wq.weight')).toEqual(read);
    }
    const folder = temporaryFolder();
    await saveHuggingFace(folder, tiny, space);
    const bf16 = spaceOf(tiny, { dtype: 'bf16' });
    await (await openCheckpoint(folder)).load(bf16);
    expect(await valueOf(bf16, 'norm.weight')).toEqual(
      (await valueOf(space, 'norm.weight')).map((x) => bf16ToNumber(numberToBf16(x))),
    );
  });

  it('names every tensor that does not fit, and writes none', async () => {
    const folder = temporaryFolder();
    await saveHuggingFace(folder, tiny, spaceOf(tiny));
    const opened = await openCheckpoint(folder);
    const other = new ParameterSpace(reference());
    for (const [name, shape] of shapesOf({ ...tiny, nLayers: 1, ffnDim: 24 }))
      other.add(name, shape, { init: { constant: 1 }, decay: true });
    other.add('extra.weight', [3], { init: { constant: 1 }, decay: false });
    other.allocate();
    const before = await bitsOf(other);
    const error: Error = await opened.load(other).then(
      () => new Error('loaded'),
      (e: Error) => e,
    );
    expect(error.message).toContain(
      'mlp.gate_proj.weight (layers.0.feed_forward.w1.weight) has shape [20, 12], the model [24, 12]',
    );
    expect(error.message).toContain('extra.weight is missing');
    for (const [name] of shapesOf(tiny).filter(([each]) => each.startsWith('layers.1.')))
      expect(error.message).toContain(`(${name}) is unexpected`);
    expect(await bitsOf(other)).toEqual(before);
  });

  it('takes a stored output matrix of a tied model only if it is the embedding', async () => {
    const tied = llamaConfig({ ...tiny, tiedEmbeddings: true });
    const untied = spaceOf(tiny);
    untied.initialize(3);
    const folder = temporaryFolder();
    await saveHuggingFace(folder, tied, untied);
    await expect((await openCheckpoint(folder)).load(spaceOf(tied))).rejects.toThrow(
      'lm_head.weight (output.weight) differs',
    );
    untied.get('output.weight')!.value.write(await valueOf(untied, 'tok_embeddings.weight'));
    await saveHuggingFace(folder, tied, untied);
    const loaded = spaceOf(tied);
    await (await openCheckpoint(folder)).load(loaded);
    expect(await valueOf(loaded, 'tok_embeddings.weight')).toEqual(
      await valueOf(untied, 'tok_embeddings.weight'),
    );
    // and an untied model gets a copy from a tied checkpoint
    await saveHuggingFace(folder, tied, loaded);
    const both = spaceOf(tiny);
    await (await openCheckpoint(folder)).load(both);
    expect(await valueOf(both, 'output.weight')).toEqual(await valueOf(loaded, 'tok_embeddings.weight'));
  });

  it.each<[string, (folder: string) => void | Promise<void>, string]>([
    ['no configuration', () => undefined, 'config.json (ENOENT)'],
    [
      'no weights',
      (folder) => writeFileSync(join(folder, 'config.json'), configText()),
      'has none of model.safetensors,',
    ],
    [
      'other weights',
      (folder) =>
        ['config.json', 'tf_model.h5'].forEach((name) => writeFileSync(join(folder, name), configText())),
      'it holds tf_model.h5',
    ],
    [
      'a path out of the folder',
      (folder) => writeIndex(folder, { a: '../x.safetensors' }),
      'places "a" in "../x.safetensors"',
    ],
    [
      'a shard that is gone',
      (folder) => writeIndex(folder, { a: 'x.safetensors' }),
      'x.safetensors (ENOENT)',
    ],
    [
      'a tensor the shard has not',
      async (folder) => {
        writeIndex(folder, { a: 'x.safetensors' });
        await writeSafetensors(join(folder, 'x.safetensors'), []);
      },
      'places "a" in x.safetensors, which has no such tensor',
    ],
    [
      'heads that do not fit',
      async (folder) => {
        writeFileSync(join(folder, 'config.json'), configText());
        const name = 'model.layers.0.self_attn.q_proj.weight';
        await writeSafetensors(join(folder, 'model.safetensors'), [
          { name, dtype: 'u8', shape: [3, 1], chunks: () => [new Uint8Array(3)] },
        ]);
      },
      'no rows of heads of 4',
    ],
  ])('are refused with %s', async (_, make, message) => {
    const folder = temporaryFolder();
    await make(folder);
    await expect(openCheckpoint(folder)).rejects.toThrow(message);
  });

  it.skipIf(!have(fixtures))('of transformers load: every tensor, in the order of Meta', async () => {
    for (const name of ['mha', 'gqa', 'mqa', 'tied-scaled-rope']) {
      const folder = join(fixtures, 'llama', name);
      for (const path of [folder, join(folder, 'model.safetensors')]) {
        const opened = await openCheckpoint(path);
        const space = spaceOf(opened.config);
        await opened.load(space);
        const raw = plainParse(join(folder, 'model.safetensors'));
        expect(opened.tensors.size).toBe(Object.keys(raw).length);
        const { headDim: E, dim: D } = opened.config;
        const stored = raw['model.layers.0.self_attn.k_proj.weight']!.bytes;
        const loaded = await valueOf(space, 'layers.0.attention.wk.weight');
        for (let j = 0; j < E / 2; j++)
          expect(loaded[(2 * j + 1) * D]).toBe(stored.readFloatLE(4 * (E / 2 + j) * D));
      }
    }
  });
});

describe('llama2.c files', () => {
  const stories = join(data, 'models/stories260K.bin');

  it.skipIf(!have(stories))('stories260K loads', async () => {
    expect(createHash('sha256').update(readFileSync(stories)).digest('hex')).toMatch(/^b0a507e7/);
    const opened = await openCheckpoint(stories);
    expect(opened.config).toEqual(
      llamaConfig({
        dim: 64,
        ffnDim: 172,
        nLayers: 5,
        nHeads: 8,
        nKvHeads: 4,
        vocabSize: 512,
        contextLength: 512,
        tiedEmbeddings: true,
      }),
    );
    expect([...opened.tensors].map(([name, { shape }]) => [name, [...shape]]).sort()).toEqual(
      shapesOf(opened.config).sort(),
    );
    const space = spaceOf(opened.config);
    expect(space.count).toBe(260_032);
    await opened.load(space);
    const file = readFileSync(stories);
    // Places by the order of paper.md §5.7: embedding, norms of all layers, wq of all layers, …
    expect((await valueOf(space, 'tok_embeddings.weight'))[1]).toBe(file.readFloatLE(28 + 4));
    const wq2 = 28 + 4 * (512 * 64 + 5 * 64 + 2 * 64 * 64);
    expect((await valueOf(space, 'layers.2.attention.wq.weight'))[7]).toBe(file.readFloatLE(wq2 + 4 * 7));
    const norm = 28 + 4 * (260_032 - 64);
    expect((await valueOf(space, 'norm.weight'))[63]).toBe(file.readFloatLE(norm + 4 * 63));
    // The weights of a trained model: norms near one.
    expect(Math.max(...(await valueOf(space, 'norm.weight')))).toBeLessThan(20);
  });

  it('with an output matrix of its own: after the rotary tables', async () => {
    const path = join(temporaryFolder(), 'model.bin');
    const { bytes, config } = llama2c(-31);
    writeFileSync(path, bytes);
    const opened = await openCheckpoint(path);
    expect(opened.config).toEqual(config);
    const output = await opened.read('output.weight');
    expect(output[output.length - 1]).toBe(bytes.readFloatLE(bytes.length - 4));
    expect(output).toHaveLength(31 * 12);
  });

  it('are refused when anything is off by a byte', async () => {
    const folder = temporaryFolder();
    const { bytes } = llama2c(31);
    const refuse = async (name: string, content: Uint8Array) => {
      writeFileSync(join(folder, name), content);
      return openCheckpoint(join(folder, name)).then(
        () => 'accepted',
        (error: Error) => error.message,
      );
    };
    expect(await refuse('cut.bin', bytes.subarray(0, -1))).toContain(
      `has ${bytes.length} bytes, this one ${bytes.length - 1}`,
    );
    expect(await refuse('short.bin', bytes.subarray(0, 20))).toContain('20 bytes are no llama2.c file');
    expect(await refuse('empty.bin', Buffer.alloc(0))).toContain('an empty file');
    expect(await refuse('zip.bin', Buffer.from('PK\u0003\u0004 and so on, and so on'))).toContain(
      'a file of torch.save without',
    );
    expect(await refuse('model.gguf', Buffer.from('GGUF and so on, and so on, and so on'))).toContain(
      'version: 1684955424',
    );
    for (let field = 0; field < 7; field++) {
      for (const value of [0, -1, 2147483647, -2147483648, 3]) {
        const mutated = Buffer.from(bytes);
        mutated.writeInt32LE(value, 4 * field);
        if (!mutated.equals(bytes))
          expect(await refuse('mutated.bin', mutated), `field ${field} = ${value}`).toMatch(
            /^\[openCheckpoint\] .*mutated\.bin/,
          );
      }
    }
    await expect(openCheckpoint(join(folder, 'absent'))).rejects.toThrow('no such file or folder');
  });
});

/** A llama2.c file of random floats with the sizes of `tiny`, but heads of its own. */
function llama2c(vocab: number): { bytes: Buffer; config: LlamaConfig } {
  const config = llamaConfig({
    dim: 12,
    ffnDim: 20,
    nLayers: 2,
    nHeads: 3,
    nKvHeads: 1,
    vocabSize: Math.abs(vocab),
    contextLength: 16,
    tiedEmbeddings: vocab > 0,
  });
  const floats =
    shapesOf(config).reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0) +
    16 * config.headDim;
  const bytes = Buffer.alloc(28 + 4 * floats);
  [12, 20, 2, 3, 1, vocab, 16].forEach((value, i) => bytes.writeInt32LE(value, 4 * i));
  for (let i = 0; i < floats; i++) bytes.writeFloatLE(Math.sin(i), 28 + 4 * i);
  return { bytes, config };
}

function configText(): string {
  return JSON.stringify({
    model_type: 'llama',
    hidden_size: 8,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    vocab_size: 8,
  });
}

function writeIndex(folder: string, map: Record<string, string>): void {
  writeFileSync(join(folder, 'config.json'), configText());
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
}
