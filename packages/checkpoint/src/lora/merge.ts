import { fail } from '@cria/tensor';
import type { Checkpoint, TensorInfo } from '../checkpoint.ts';
import { bytesOf } from '../convert.ts';
import { EMBEDDING, label, OUTPUT } from '../load-plan.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { readFloat32 } from '../weights.ts';
import type { LoraAdapter, LoraFactors } from './adapter.ts';

const op = 'lora';

/**
 * The checkpoint with W + scale · B A in place of each adapted W, and the adapter's own weights in
 * the place of those that it holds as a whole: opened lazily like any other, to load or to convert.
 * Adapted weights become f32; sums are formed in double. Throws where an adapted weight is missing
 * or of another shape.
 */
export function mergeLora(checkpoint: Checkpoint, adapter: LoraAdapter): Checkpoint {
  const { format, path, specialIds, metadata } = checkpoint;
  const base = untie(checkpoint, adapter);
  const weights = new Map(base.tensors);
  for (const [name, weight] of adapter.saved) {
    const before = weights.get(name) ?? fail(op, `${path} has no ${name}, which the adapter replaces.`);
    if (before.shape.join() !== weight.shape.join())
      fail(
        op,
        `${label(weight)} of the adapter is [${weight.shape.join(', ')}], ` +
          `that of the model [${before.shape.join(', ')}].`,
        'give the adapter its own base model, with a vocabulary of its size',
      );
    weights.set(name, weight);
  }
  for (const [name, factors] of adapter.factors) {
    const weight = weights.get(name) ?? fail(op, `${path} has no ${name}, which the adapter changes.`);
    weights.set(name, merged(weight, factors));
  }
  return makeCheckpoint(format, path, base.config, specialIds, weights, metadata);
}

/**
 * Where one of two tied matrices is replaced or adapted, the other stays what it was: from then on
 * they are two.
 */
function untie({ config, tensors }: Checkpoint, { saved, factors }: LoraAdapter) {
  const touched = [EMBEDDING, OUTPUT].some((name) => saved.has(name) || factors.has(name));
  const embedding = tensors.get(EMBEDDING);
  if (!config.tiedEmbeddings || !touched || !embedding) return { config, tensors };
  const output = { ...embedding, name: OUTPUT };
  return { config: { ...config, tiedEmbeddings: false }, tensors: new Map([...tensors, [OUTPUT, output]]) };
}

function merged(base: TensorInfo, factors: LoraFactors): TensorInfo {
  const [rows = 0, columns = 0] = base.shape;
  const { a, b, rank } = factors;
  if (base.shape.length !== 2 || b.length !== rows * rank || a.length !== rank * columns)
    fail(
      op,
      `the adapter of ${base.name} makes [${b.length / rank}, ${a.length / rank}], ` +
        `the weight is [${base.shape.join(', ')}].`,
    );
  const rowBytes = 4 * columns;
  return {
    ...base,
    dtype: 'f32',
    bytes: rowBytes * rows,
    halfSplit: undefined,
    offset: undefined,
    readBytes: async (begin, end) => {
      const [first, last] = [Math.floor(begin / rowBytes), Math.ceil(end / rowBytes)];
      const numbers = await mergedRows(base, factors, first, last);
      return bytesOf(numbers).slice(begin - first * rowBytes, end - first * rowBytes);
    },
  };
}

/** Rows `first` to `last` of W + scale · B A, in Meta's order. */
async function mergedRows(
  base: TensorInfo,
  { a, b, rank, scale }: LoraFactors,
  first: number,
  last: number,
): Promise<Float32Array> {
  const columns = base.shape[1] ?? 0;
  const head = base.halfSplit ?? 1;
  // Heads whole, since their rows may have another order in the file.
  const [from, to] = [Math.floor(first / head) * head, Math.ceil(last / head) * head];
  const numbers = await readFloat32(op, base, from, to);
  const out = numbers.slice((first - from) * columns, (last - from) * columns);
  for (let row = first; row < last; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += (b[row * rank + k] ?? 0) * (a[k * columns + column] ?? 0);
      const at = (row - first) * columns + column;
      out[at] = (out[at] ?? 0) + scale * sum;
    }
  }
  return out;
}
