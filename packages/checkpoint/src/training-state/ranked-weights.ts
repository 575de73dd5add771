import { join } from 'node:path';
import { fail, sizeOf } from '@cria/tensor';
import type { TensorInfo } from '../checkpoint.ts';
import { weightBytes } from '../dtypes.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';
import { overlaps } from './layout.ts';
import type { RankedLayout } from './ranks.ts';

const op = 'loadTrainingState';

/**
 * The parameters of one flat space that ranks wrote in ranges, as weights like any other: one that
 * lies in one file is a place in it, one that was cut is gathered when it is read.
 */
export async function rankedWeights(
  folder: string,
  { layout, ranks }: RankedLayout,
  range: string,
): Promise<Map<string, TensorInfo>> {
  const files = await Promise.all(ranks.map(({ file }) => SafetensorsFile.open(join(folder, file))));
  const parts = files.map(
    (file) => file.tensors.get(range) ?? fail(op, `${file.path} has no tensor "${range}".`),
  );
  const dtype = parts[0]?.dtype ?? 'f32';
  const bytesOf = (elements: number) => weightBytes(dtype, elements) ?? 0;
  parts.forEach((part, i) => {
    const elements = (ranks[i]?.end ?? 0) - (ranks[i]?.begin ?? 0);
    if (part.dtype !== dtype || part.end - part.begin !== bytesOf(elements))
      fail(
        op,
        `${files[i]?.path}: "${range}" is ${part.dtype}[${part.shape.join(', ')}], not ${dtype}[${elements}].`,
      );
  });
  const places = ranks.map(({ begin, end }) => [bytesOf(begin), bytesOf(end)] as const);
  const weights = layout.parameters.map(({ name, shape, offset }): TensorInfo => {
    const [start, bytes] = [bytesOf(offset), bytesOf(sizeOf(shape))];
    const readBytes = async (from: number, to: number) => {
      const out = new Uint8Array(to - from);
      for (const run of overlaps(places, [start + from, start + to]))
        out.set((await files[run.piece]?.read(range, run.from, run.from + run.length)) ?? [], run.to);
      return out;
    };
    const base = { name, storedName: name, dtype, shape, bytes, halfSplit: undefined, readBytes };
    const [only, ...others] = overlaps(places, [start, start + bytes]);
    const file = only && others.length === 0 ? files[only.piece] : undefined;
    if (!only || !file) return { ...base, file: folder, offset: undefined };
    const begin = parts[only.piece]?.begin ?? 0;
    return {
      ...base,
      file: file.path,
      offset: file.dataStart + begin + only.from,
      readBytes: (from, to) => file.read(range, only.from + from, only.from + to),
    };
  });
  return new Map(weights.map((weight) => [weight.name, weight]));
}
