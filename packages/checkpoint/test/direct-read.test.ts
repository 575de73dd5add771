import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertCheckpoint, mapWeights, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { cpu, cpuAvailability } from '@cria/cpu';
import { type Device, ParameterSpace, reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { shapesOf, spaceOf, temporaryFolder, tiny } from './helpers.ts';

const { available, reason } = cpuAvailability();
if (!available) console.log(`direct reads are not tested: ${reason}`);

function emptySpace(device: Device): ParameterSpace {
  const space = new ParameterSpace(device);
  for (const [name, shape] of shapesOf(tiny)) space.add(name, shape, { init: { normal: 1 }, decay: false });
  return space;
}

async function bitsOf(space: ParameterSpace): Promise<Record<string, Uint8Array>> {
  const all: Record<string, Uint8Array> = {};
  for (const { name, value } of space.parameters) {
    const bytes = await value.device.readBytes(value.storage, value.offset, value.byteLength);
    all[name] = new Uint8Array(bytes);
  }
  return all;
}

async function savedModel(): Promise<{ folder: string; gguf: string }> {
  const folder = temporaryFolder();
  const space = spaceOf(tiny);
  space.initialize(5);
  await saveHuggingFace(folder, tiny, space);
  const gguf = join(folder, 'model.gguf');
  await convertCheckpoint(await openCheckpoint(folder), gguf, { to: 'gguf' });
  return { folder, gguf };
}

describe.runIf(available)('weights read straight into the native device', () => {
  it.each(['load', 'copy'])(
    'are those that the reference device gets by way of JavaScript: %s',
    async (way) => {
      const { folder, gguf } = await savedModel();
      for (const path of [folder, gguf]) {
        const spaces: ParameterSpace[] = [];
        for (const device of [reference(), cpu(), cpu({ background: true })]) {
          const space = emptySpace(device);
          const checkpoint = await openCheckpoint(path);
          if (way === 'copy') await mapWeights(checkpoint, space, { mmap: false });
          else {
            space.allocate();
            await checkpoint.load(space);
          }
          spaces.push(space);
        }
        const [expected, ...others] = await Promise.all(spaces.map(bitsOf));
        for (const bits of others) expect(bits).toEqual(expected);
        for (const { device } of spaces) device[Symbol.dispose]();
      }
    },
  );

  it.each([
    ['was cut', (path: string) => truncateSync(path, 5000)],
    ['grew', (path: string) => appendFileSync(path, 'x')],
    ['was replaced', (path: string) => writeFileSync(path, 'other')],
  ])('are refused where the file %s since it was opened, and nothing is kept', async (_, change) => {
    const { gguf } = await savedModel();
    using device = cpu();
    const checkpoint = await openCheckpoint(gguf);
    change(gguf);
    const mapping = mapWeights(checkpoint, emptySpace(device), { mmap: false });
    await expect(mapping).rejects.toThrow(/changed after it was opened/);
    expect(device.memory.allocated).toBe(0);
  });
});
