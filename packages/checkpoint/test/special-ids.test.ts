import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, convertCheckpoint, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { GgufFile } from '@cria/checkpoint/formats';
import { describe, expect, it } from 'vitest';
import { spaceOf, temporaryFolder, tiny } from './helpers.ts';

/** A folder whose config.json names 2 and whose generation_config.json says something else. */
async function opened(generation: unknown, eos: readonly number[] = [2]): Promise<Checkpoint> {
  const folder = temporaryFolder();
  const space = spaceOf(tiny);
  space.initialize(3);
  await saveHuggingFace(folder, tiny, space, { specialIds: { bos: 1, eos } });
  if (generation !== undefined)
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(generation));
  return openCheckpoint(folder);
}

describe('ids of generation_config.json', () => {
  it.each<[string, unknown, { bos?: number; eos: number[]; pad?: number }]>([
    ['a list extends', { eos_token_id: [2, 30] }, { bos: 1, eos: [2, 30] }],
    ['one extends', { eos_token_id: 30 }, { bos: 1, eos: [2, 30] }],
    ['bos and pad replace', { bos_token_id: 5, pad_token_id: 6 }, { bos: 5, eos: [2], pad: 6 }],
    ['nothing changes nothing', {}, { bos: 1, eos: [2] }],
    ['null is nothing', { eos_token_id: null, pad_token_id: -1 }, { bos: 1, eos: [2] }],
    ['no file', undefined, { bos: 1, eos: [2] }],
  ])('%s', async (_, generation, expected) => {
    const { specialIds } = await opened(generation);
    expect(specialIds).toEqual({ bos: undefined, pad: undefined, ...expected });
  });

  it('are used with one safetensors file, too', async () => {
    const { path } = await opened({ eos_token_id: [2, 30] });
    expect((await openCheckpoint(join(path, 'model.safetensors'))).specialIds.eos).toEqual([2, 30]);
  });

  it.each([[[]], [7], [{ eos_token_id: 'x' }], [{ eos_token_id: [-3] }]])('%j is refused', async (wrong) => {
    await expect(opened(wrong)).rejects.toThrow(/generation_config\.json/);
  });

  it.each([[[2, 30]], [[2, 30, 29]], [[2, 30, 29, 28, 27]]])(
    'come back from every format that names ids: %j',
    async (eos) => {
      const source = await opened({ eos_token_id: eos });
      const folder = temporaryFolder();
      const gguf = join(folder, 'model.gguf');
      await convertCheckpoint(source, gguf, { to: 'gguf' });
      const { metadata } = await GgufFile.open(gguf);
      expect(metadata.get('tokenizer.ggml.eos_token_id')?.value).toBe(eos[0]);
      expect(metadata.get('tokenizer.ggml.eot_token_id')?.value).toBe(eos[1]);
      expect((await openCheckpoint(gguf)).specialIds).toEqual(source.specialIds);
      const back = join(folder, 'back');
      await convertCheckpoint(await openCheckpoint(gguf), back, { to: 'hf' });
      for (const name of ['config.json', 'generation_config.json'])
        expect(JSON.parse(readFileSync(join(back, name), 'utf8')).eos_token_id).toEqual(eos);
    },
  );
});
