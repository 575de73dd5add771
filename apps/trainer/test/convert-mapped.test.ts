import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertCheckpoint, mapWeights, openCheckpoint } from '@cria/checkpoint';
import { cpu, cpuAvailability } from '@cria/cpu';
import { Llama } from '@cria/layers';
import { openStep, reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { root, temporaryFolder } from './helpers.ts';

const stories = join(root, '../shared/data/models/stories260K.bin');
const here = existsSync(stories) && cpuAvailability().available;
if (!here) console.log('skipped: no native device or no stories260K.bin');

describe.skipIf(!here)('mapped weights', () => {
  it('are the file itself, and compute what copied ones do', async () => {
    const path = join(temporaryFolder(), 'model.gguf');
    await convertCheckpoint(await openCheckpoint(stories), path, { to: 'gguf' });
    const checkpoint = await openCheckpoint(path);
    const logits = async (mmap: boolean) => {
      using device = cpu({ threads: 1 });
      const before = device.memory.allocated;
      const model = new Llama(checkpoint.config, { device });
      const weights = await mapWeights(checkpoint, model.parameters, { mmap });
      expect(weights.mappedBytes > 0, String(mmap)).toBe(mmap);
      expect(weights.copiedBytes > 0).toBe(!mmap);
      using step = openStep(device, { rows: 4 });
      const ids = step.integers(Int32Array.of(1, 403, 407, 261));
      const losses = await model
        .loss(ids, step.integers(Int32Array.of(403, 407, 261, 378)), step)
        .toFloat32();
      weights[Symbol.dispose]();
      expect(device.memory.allocated - before).toBeLessThan(1 << 24);
      return losses;
    };
    expect(await logits(true)).toEqual(await logits(false));
  });

  it('are refused where the file was replaced since it was opened, and copied where a device maps nothing', async () => {
    const path = join(temporaryFolder(), 'model.gguf');
    await convertCheckpoint(await openCheckpoint(stories), path, { to: 'gguf' });
    const checkpoint = await openCheckpoint(path);
    {
      using device = reference();
      const model = new Llama(checkpoint.config, { device });
      const { mappedBytes, copiedBytes } = await mapWeights(checkpoint, model.parameters);
      expect([mappedBytes, copiedBytes]).toEqual([0, 4 * 260_032]);
    }
    writeFileSync(`${path}.new`, 'something else');
    renameSync(`${path}.new`, path);
    using device = cpu();
    const model = new Llama(checkpoint.config, { device });
    await expect(mapWeights(checkpoint, model.parameters)).rejects.toThrow('changed after it was opened');
    await expect(mapWeights(checkpoint, model.parameters, { mmpa: true } as object)).rejects.toThrow(
      'did you mean "mmap"',
    );
  });
});
