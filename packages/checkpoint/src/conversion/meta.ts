import { createHash } from 'node:crypto';
import { sizeOf } from '@cria/tensor';
import type { TensorInfo } from '../checkpoint.ts';
import type { Chunks } from '@cria/files';
import { encodeJson } from '../json-file.ts';
import { consolidatedName, PARAMS_FILE } from '../meta/open.ts';
import { toMetaParams } from '../meta/params.ts';
import { writePickle } from '../meta/pickle-writer.ts';
import { shardAxis, shardRange } from '../meta/shards.ts';
import { zipChunks } from '../meta/zip-writer.ts';
import { weightBytes } from '../dtypes.ts';
import { matrixShape, type WeightForm } from '../weight-form.ts';
import { type Conversion, weightsInOrder } from './conversion.ts';
import type { OutputFile } from './output.ts';

/** θ from which Meta's releases split the embedding by rows. */
const LLAMA3_THETA = 500000;

/**
 * One `consolidated.NN.pth` for each model-parallel rank, `params.json`, the vocabulary, and the
 * md5 of all in `checklist.chk`.
 */
export async function planMeta(conversion: Conversion): Promise<OutputFile[]> {
  const { source, options } = conversion;
  const { shards = 1 } = options;
  const weights = weightsInOrder(conversion);
  // Meta's code has no tied matrices: the embedding is there twice.
  const embedding = weights.find(({ name }) => name === 'tok_embeddings.weight');
  if (source.config.tiedEmbeddings && embedding) weights.push({ ...embedding, name: 'output.weight' });
  const sums: [string, string][] = [];
  const summed = (name: string, chunks: () => Chunks): OutputFile => ({
    name,
    chunks: () => withHash(chunks, (md5) => sums.push([name, md5])),
  });
  const files = Array.from({ length: shards }, (_, rank) => shardFile(conversion, weights, rank, shards));
  return [
    ...files.map(({ name, chunks }) => summed(name, chunks)),
    summed(PARAMS_FILE, () => [encodeJson(toMetaParams(source.config))]),
    ...[...(options.vocabulary?.files ?? [])].map(([name, bytes]) => summed(name, () => [bytes])),
    {
      name: 'checklist.chk',
      chunks: () => [new TextEncoder().encode(sums.map(([name, md5]) => `${md5}  ${name}\n`).join(''))],
    },
  ];
}

function shardFile(
  conversion: Conversion,
  weights: readonly TensorInfo[],
  rank: number,
  degree: number,
): OutputFile {
  const name = consolidatedName(rank);
  const root = name.slice(0, -'.pth'.length);
  const parts = weights.map((weight, index) => {
    const part = partOf(conversion, weight, rank, degree);
    return { ...part, name: weight.name, key: String(index), weight };
  });
  const text = (file: string, content: Uint8Array) => ({
    name: `${root}/${file}`,
    bytes: content.length,
    chunks: () => [content],
  });
  const encode = (content: string) => new TextEncoder().encode(content);
  const files = [
    text('data.pkl', writePickle(parts)),
    text('byteorder', encode('little')),
    ...parts.map(({ key, bytes, weight, form }) => ({
      name: `${root}/data/${key}`,
      bytes,
      chunks: () => conversion.chunks(weight, form),
    })),
    text('version', encode('3\n')),
  ];
  return { name, chunks: () => zipChunks(conversion.op, name, files) };
}

function partOf(conversion: Conversion, weight: TensorInfo, rank: number, degree: number) {
  const { config } = conversion.source;
  const dtype = conversion.floatDType(weight);
  const kvHeads = { count: config.nKvHeads, width: config.headDim };
  const axis = shardAxis(weight.name, config.ropeTheta >= LLAMA3_THETA ? 0 : 1);
  const [rows, columns] = matrixShape(weight);
  let form: WeightForm = { dtype };
  let shape: readonly number[] = weight.shape;
  if (axis !== undefined && degree > 1) {
    const vector = weight.shape.length === 1; // a bias, one row
    const byRows = axis === 0 && !vector;
    const range = shardRange(weight.name, byRows ? rows : columns, rank, degree, kvHeads);
    const length = range[1] - range[0];
    form = byRows ? { dtype, rows: range } : { dtype, columns: range };
    shape = vector ? [length] : byRows ? [length, columns] : [rows, length];
  }
  return { dtype, shape, form, bytes: weightBytes(dtype, sizeOf(shape)) ?? 0 };
}

async function* withHash(chunks: () => Chunks, done: (md5: string) => void): AsyncGenerator<Uint8Array> {
  const hash = createHash('md5');
  for await (const chunk of chunks()) {
    hash.update(chunk);
    yield chunk;
  }
  done(hash.digest('hex'));
}
