import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  convertCheckpoint,
  loadForInference,
  mapWeights,
  openCheckpoint,
  readImportance,
  readLora,
  saveHuggingFace,
} from '@cria/checkpoint';
import { GgufFile, SafetensorsFile, writeGguf, writeSafetensors } from '@cria/checkpoint/formats';
import { Llama, llamaConfig } from '@cria/layers';
import { reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { spaceOf, temporaryFolder, tiny } from './helpers.ts';

/*
 * A weight that the model has no place for changes the mathematics of whoever wrote it. Loading for
 * inference must name it before anything is served, as loading for training and converting do.
 */

async function saved(config = tiny): Promise<string> {
  const folder = temporaryFolder();
  const space = spaceOf(config);
  space.initialize(3);
  await saveHuggingFace(folder, config, space);
  return folder;
}

const more = (length: number) => () => [new Uint8Array(4 * length)];

async function withExtra(format: 'hf' | 'gguf', name: string, length: number): Promise<string> {
  const folder = await saved();
  if (format === 'gguf') {
    const path = join(folder, 'model.gguf');
    await convertCheckpoint(await openCheckpoint(folder), path, { to: 'gguf' });
    const file = await GgufFile.open(path);
    const tensors = [...file.tensors.values()].map((tensor) => ({
      ...tensor,
      chunks: async function* () {
        yield await file.read(tensor.name);
      },
    }));
    const other = join(folder, 'other.gguf');
    const extra = { name, dtype: 'f32', shape: [length], chunks: more(length) } as const;
    await writeGguf(other, file.metadata, [...tensors, extra]);
    return other;
  }
  const file = await SafetensorsFile.open(join(folder, 'model.safetensors'));
  const tensors = await Promise.all(
    [...file.tensors.values()].map(async ({ name: each, shape }) => {
      const bytes = await file.read(each);
      return { name: each, dtype: 'f32', shape, chunks: () => [bytes] } as const;
    }),
  );
  const extra = { name, dtype: 'f32', shape: [length], chunks: more(length) } as const;
  await writeSafetensors(join(folder, 'model.safetensors'), [...tensors, extra]);
  return folder;
}

describe('tensors without a place', () => {
  it.each([
    ['hf', 'model.layers.0.self_attn.q_norm.weight', 8],
    ['hf', 'model.layers.2.input_layernorm.weight', 12],
    ['hf', 'score.weight', 12],
    ['gguf', 'blk.0.attn_k_norm.weight', 8],
    ['gguf', 'blk.2.attn_norm.weight', 12],
  ] as const)('%s: %s is named before anything is served', async (format, name, length) => {
    const checkpoint = await openCheckpoint(await withExtra(format, name, length));
    const device = reference();
    await expect(loadForInference(checkpoint, device)).rejects.toThrow(`${name}`);
    await expect(loadForInference(checkpoint, device)).rejects.toThrow('is unexpected');
    await expect(mapWeights(checkpoint, new Llama(tiny, { device }).parameters)).rejects.toThrow(name);
  });

  it.each([
    ['hf', 'model.layers.0.self_attn.rotary_emb.inv_freq', 4],
    ['gguf', 'blk.0.attn_rot_embd.weight', 4],
  ] as const)('%s: %s is a rotary table, which does no harm', async (format, name, length) => {
    const checkpoint = await openCheckpoint(await withExtra(format, name, length));
    using loaded = await loadForInference(checkpoint, reference());
    expect(loaded.model.config.dim).toBe(tiny.dim);
  });

  it('count as such where a tied model has another output matrix', async () => {
    const untied = await saved();
    const folder = temporaryFolder();
    const tied = llamaConfig({ ...tiny, tiedEmbeddings: true });
    const space = spaceOf(tiny);
    space.initialize(5);
    await saveHuggingFace(folder, tied, space);
    const checkpoint = await openCheckpoint(folder);
    const refusal = 'lm_head.weight (output.weight) differs';
    await expect(loadForInference(checkpoint, reference())).rejects.toThrow(refusal);
    const gguf = join(folder, 'tied.gguf');
    await expect(convertCheckpoint(checkpoint, gguf, { to: 'gguf' })).rejects.toThrow(refusal);
    using loaded = await loadForInference(await openCheckpoint(untied), reference());
    expect(loaded.model.config.tiedEmbeddings).toBe(false);
  });
});

describe('files that are not what their name says', () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 28408\n`;
  const cases = { pointer: 'a Git LFS pointer to 28,408 bytes', page: 'a web page', empty: 'an empty file' };
  const contents = { pointer, page: '<!DOCTYPE html>\n<html><body>404</body></html>', empty: '' };

  it.each([
    ['model.safetensors', 'pointer'],
    ['model.safetensors', 'page'],
    ['model.safetensors', 'empty'],
    ['config.json', 'page'],
    ['model-00001-of-00002.safetensors', 'pointer'],
    ['model.safetensors.index.json', 'pointer'],
  ] as const)('%s in a Hugging Face folder: %s', async (name, kind) => {
    const folder = await saved();
    const shards = name.includes('00001') || name.includes('index');
    if (shards)
      await convertCheckpoint(await openCheckpoint(folder), join(folder, 'split'), { to: 'hf', shards: 2 });
    const place = shards ? join(folder, 'split') : folder;
    writeFileSync(join(place, name), contents[kind]);
    await expect(openCheckpoint(place)).rejects.toThrow(`${join(place, name)} is ${cases[kind]}`);
  });

  it.each(['model.gguf', 'stories.bin', 'model.safetensors', 'consolidated.00.pth', 'imatrix.gguf'])(
    '%s by itself',
    async (name) => {
      const folder = temporaryFolder();
      for (const kind of ['pointer', 'page', 'empty'] as const) {
        const path = join(folder, name);
        writeFileSync(path, contents[kind]);
        const said = `${path} is ${cases[kind]}`;
        await expect(openCheckpoint(path)).rejects.toThrow(said);
        if (name === 'consolidated.00.pth') await expect(openCheckpoint(folder)).rejects.toThrow(said);
        if (name === 'imatrix.gguf') await expect(readImportance(path)).rejects.toThrow(said);
      }
    },
  );

  it('adapter_model.safetensors', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'adapter_config.json'), '{"peft_type": "LORA", "r": 1, "lora_alpha": 1}');
    writeFileSync(join(folder, 'adapter_model.safetensors'), pointer);
    await expect(readLora(folder, tiny)).rejects.toThrow('adapter_model.safetensors is a Git LFS pointer');
  });
});
