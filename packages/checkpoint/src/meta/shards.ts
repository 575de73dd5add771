import { fail, sizeOf } from '@cria/tensor';
import { blockParts, endParts } from '../families.ts';

/*
 * How Meta's files split weights over model-parallel ranks (paper.md: "Meta checkpoints"):
 * ColumnParallel layers by rows of the matrix, RowParallel layers by its columns, norms not at all.
 * Embeddings are split by columns in LLaMA 1 and 2, by rows since Llama 3.
 */

/** Axis along which a weight is split; undefined: every file has all of it. */
export function shardAxis(name: string, embeddingAxis: 0 | 1): 0 | 1 | undefined {
  if (name === 'tok_embeddings.weight') return embeddingAxis;
  const [, inBlock, part = '', what] = /^(layers\.\d+\.)?(.+)\.(weight|bias)$/.exec(name) ?? [];
  const split = (inBlock === undefined ? endParts : blockParts).find(
    ({ canonical }) => canonical === part,
  )?.split;
  // What is split by columns sums over ranks: each adds the whole bias, or one of them does.
  return what === 'bias' && split === 1 ? undefined : split;
}

/**
 * Part `rank` of `degree` of `extent`; fewer kv heads than ranks are repeated, each for as many
 * ranks in a row.
 */
export function shardRange(
  name: string,
  extent: number,
  rank: number,
  degree: number,
  kvHeads: { readonly count: number; readonly width: number },
): readonly [number, number] {
  if (/\.w[kv]\.(weight|bias)$/.test(name) && degree > kvHeads.count) {
    if (degree % kvHeads.count === 0) {
      const head = Math.floor((rank * kvHeads.count) / degree);
      return [head * kvHeads.width, (head + 1) * kvHeads.width];
    }
  } else if (extent % degree === 0) {
    return [(rank * extent) / degree, ((rank + 1) * extent) / degree];
  }
  return fail(
    'convertCheckpoint',
    `${name} has ${extent} ${/\.w[kv]\./.test(name) ? `rows of ${kvHeads.count} kv heads` : 'rows or columns'}, ` +
      `which ${degree} shards cannot share.`,
    'give a number of shards that divides heads, kv heads, widths and the vocabulary',
  );
}

/** A merged weight: `degree` parts, each `rows` of `rowBytes`. */
export interface Parts {
  readonly axis: 0 | 1;
  readonly count: number;
  readonly rows: number;
  readonly rowBytes: number;
  readonly read: (part: number, begin: number, end: number) => Promise<Uint8Array>;
}

/** Bytes `begin` to `end` of the merged weight. */
export async function readMerged(parts: Parts, begin: number, end: number): Promise<Uint8Array> {
  const { axis, count, rows, rowBytes, read } = parts;
  const out = new Uint8Array(end - begin);
  if (axis === 0) {
    const size = rows * rowBytes;
    for (let part = Math.floor(begin / size); part < count && part * size < end; part++) {
      const from = Math.max(begin, part * size);
      const to = Math.min(end, (part + 1) * size);
      out.set(await read(part, from - part * size, to - part * size), from - begin);
    }
    return out;
  }
  const wide = rowBytes * count;
  const [first, last] = [Math.floor(begin / wide), Math.ceil(end / wide)];
  for (let part = 0; part < count; part++) {
    const bytes = await read(part, first * rowBytes, last * rowBytes);
    for (let row = first; row < last; row++) {
      const at = row * wide + part * rowBytes;
      const from = Math.max(begin, at);
      const to = Math.min(end, at + rowBytes);
      if (from >= to) continue;
      const start = (row - first) * rowBytes + (from - at);
      out.set(bytes.subarray(start, start + to - from), from - begin);
    }
  }
  return out;
}

/** Shape of the whole from the shape of a part. */
export function mergedShape(shape: readonly number[], axis: 0 | 1 | undefined, count: number): number[] {
  return shape.map((extent, i) => (i === axis ? extent * count : extent));
}

/** Rows of a tensor of this shape. */
export function rowsOf(shape: readonly number[]): number {
  return sizeOf(shape.slice(0, -1));
}
