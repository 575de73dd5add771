import { join } from 'node:path';
import {
  type Checkpoint,
  convertCheckpoint,
  type ConvertOptions,
  loadForInference,
  mapWeights,
  type NotFiniteReport,
  openCheckpoint,
  saveHuggingFace,
  type WeightReport,
} from '@cria/checkpoint';
import { Llama, llamaConfig } from '@cria/layers';
import { reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { spaceOf, temporaryFolder, tiny } from './helpers.ts';

const config = llamaConfig({ ...tiny, dim: 32, nHeads: 4, nKvHeads: 4, headDim: 8, ffnDim: 64 });
const NAME = 'layers.1.feed_forward.w3.weight';
/**
 * In every type a matter of its own: no number, infinite, too large for f16, for bf16 and f32, and
 * just small enough.
 */
const VALUES = [NaN, Infinity, -Infinity, 1e6, -65_520, 65_519, 1e300, 3.4e38, 3.402823e38];

/** A double-precision model with these values in one weight, from Meta's order of rows on. */
async function poisoned(dtype: 'f64' | 'f32' | 'bf16' = 'f64'): Promise<Checkpoint> {
  const folder = join(temporaryFolder(), 'model');
  const space = spaceOf(config, { dtype: 'f64' });
  space.initialize(3);
  const parameter = space.get(NAME);
  const numbers = Float64Array.from(await parameter!.value.toFloat32());
  VALUES.forEach((value, i) => (numbers[i * 31] = value));
  parameter!.value.write(numbers);
  await saveHuggingFace(folder, config, space, { dtype });
  return openCheckpoint(folder);
}

async function reportsOf(source: Checkpoint, options: ConvertOptions): Promise<Map<string, WeightReport>> {
  const reports = new Map<string, WeightReport>();
  const path = join(temporaryFolder(), 'out');
  await convertCheckpoint(source, path, { ...options, onWeight: (each) => reports.set(each.name, each) });
  const back = await openCheckpoint(path);
  // What the file really holds, counted by a plain loop.
  for (const [name, { notFinite, to }] of reports) {
    const stored = to === 'f64' ? undefined : [...(await back.read(name))];
    if (stored && notFinite.after > 0)
      expect(stored.filter((value) => !Number.isFinite(value)).length, name).toBe(notFinite.after);
  }
  return reports;
}

describe('values that are NaN or infinite', () => {
  it.each<['f64' | 'f32' | 'bf16', ConvertOptions, number, number]>([
    ['f64', { to: 'gguf', dtype: 'f32' }, 3, 4],
    ['f64', { to: 'gguf', dtype: 'f16' }, 3, 8],
    ['f64', { to: 'hf', dtype: 'bf16' }, 3, 6],
    ['f64', { to: 'meta', dtype: 'f16' }, 3, 8],
    ['f64', { to: 'llama2c' }, 3, 4],
    ['f32', { to: 'gguf', dtype: 'f16' }, 4, 8],
    ['f32', { to: 'gguf', dtype: 'bf16' }, 4, 6],
    ['bf16', { to: 'meta', dtype: 'f16' }, 6, 9],
    ['bf16', { to: 'hf', dtype: 'f32' }, 6, 6],
  ])('are counted in a model of %s, %j', async (stored, options, before, after) => {
    const reports = await reportsOf(await poisoned(stored), options);
    expect(reports.get(NAME)?.notFinite).toEqual({ before, after });
    for (const [name, { notFinite }] of reports)
      if (name !== NAME) expect(notFinite, name).toEqual({ before: 0, after: 0 });
  });

  it('are refused in blocks, with their number', async () => {
    const out = join(temporaryFolder(), 'x.gguf');
    const refusal = convertCheckpoint(await poisoned('f32'), out, { to: 'gguf', quantize: 'q8_0' });
    await expect(refusal).rejects.toThrow('mlp.up_proj.weight');
    await expect(refusal).rejects.toThrow('holds 4 values that are no numbers or infinite');
  });

  it('are told where loading for inference changes the type', async () => {
    const told: NotFiniteReport[] = [];
    const onNotFinite = (report: NotFiniteReport) => void told.push(report);
    const device = reference();
    const abilities = { ...device.abilities, weights: new Set(['f32'] as const) };
    Object.defineProperty(device, 'abilities', { value: abilities }); // as devices that compute in f32 only
    using loaded = await loadForInference(await poisoned(), device, { onNotFinite });
    expect(loaded.model.config.dim).toBe(32);
    expect(told).toEqual([{ name: NAME, from: 'f64', to: 'f32', elements: 64 * 32, before: 3, after: 4 }]);
    const model = new Llama(config, { device: reference() });
    using mapped = await mapWeights(await poisoned(), model.parameters, {
      dtype: 'f16',
      keep: [],
      onNotFinite,
    });
    expect(mapped.mappedBytes).toBe(0);
    expect(told[1]).toMatchObject({ name: NAME, to: 'f16', before: 3, after: 8 });
  });
});
