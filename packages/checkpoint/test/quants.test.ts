/** Block formats as gguf-py writes and reads them: vectors/quants.py. */
import { fileURLToPath } from 'node:url';
import { GgufFile } from '@cria/checkpoint/formats';
import { describe, expect, it } from 'vitest';
import { decodeNumbers } from '../src/convert.ts';
import { isNumeric } from '../src/dtypes.ts';
import { plainParse } from './helpers.ts';

const root = fileURLToPath(new URL('vectors/quants/', import.meta.url));
const theirs = plainParse(`${root}numbers.safetensors`);

describe('the numbers of gguf-py, bit for bit', () => {
  it.each(Object.keys(theirs))('%s', async (name) => {
    const file = await GgufFile.open(`${root}blocks.gguf`);
    const { dtype, shape } = file.tensors.get(name)!;
    expect([dtype, shape]).toEqual([name.toLowerCase(), theirs[name]!.shape]);
    if (!isNumeric(dtype)) return expect(dtype).toBe('a type of weights');
    const ours = decodeNumbers(await file.read(name), dtype);
    expect(Buffer.from(ours.buffer, ours.byteOffset, ours.byteLength).equals(theirs[name]!.bytes)).toBe(true);
  });
});
