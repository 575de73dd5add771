import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { convertCheckpoint, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { describe, expect, it } from 'vitest';
import { writePickle } from '../src/meta/pickle-writer.ts';
import { zipChunks } from '../src/meta/zip-writer.ts';
import { shapesOf, spaceOf, temporaryFolder, tiny } from './helpers.ts';

/** A folder of Meta's whose file lacks the weights named. */
async function metaFolder(without: readonly string[], params: object): Promise<string> {
  const space = spaceOf(tiny);
  space.initialize(1);
  const source = join(temporaryFolder(), 'hf');
  await saveHuggingFace(source, tiny, space);
  const folder = join(temporaryFolder(), 'meta');
  await convertCheckpoint(await openCheckpoint(source), folder, { to: 'meta' });
  const kept = shapesOf(tiny).filter(([name]) => !without.includes(name));
  const parts = kept.map(([name, shape], key) => {
    const bytes = 4 * shape.reduce((product, extent) => product * extent, 1);
    return { name, key: String(key), dtype: 'f32' as const, shape, bytes };
  });
  const file = (name: string, content: Uint8Array) => ({
    name: `consolidated.00/${name}`,
    bytes: content.length,
    chunks: () => [content],
  });
  const files = [
    file('data.pkl', writePickle(parts)),
    file('byteorder', Buffer.from('little')),
    ...parts.map(({ key, bytes }) => file(`data/${key}`, new Uint8Array(bytes))),
    file('version', Buffer.from('3\n')),
  ];
  const path = join(folder, 'consolidated.00.pth');
  await pipeline(Readable.from(zipChunks('test', path, files)), createWriteStream(path));
  const written = JSON.parse(readFileSync(join(folder, 'params.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'params.json'), JSON.stringify({ ...written, ...params }));
  return folder;
}

describe('a Meta folder without an output matrix', () => {
  it('is not whole: Meta ties no matrices', async () => {
    expect((await openCheckpoint(await metaFolder([], {}))).config.tiedEmbeddings).toBe(false);
    await expect(openCheckpoint(await metaFolder(['output.weight'], {}))).rejects.toThrow(
      'have no output.weight',
    );
  });

  it('is tied where its parameters say so', async () => {
    const folder = await metaFolder(['output.weight'], { tie_word_embeddings: true });
    expect((await openCheckpoint(folder)).config.tiedEmbeddings).toBe(true);
  });
});
