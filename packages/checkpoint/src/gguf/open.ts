import { fail } from '@cria/tensor';
import type { Checkpoint, TensorInfo } from '../checkpoint.ts';
import { decodeNumbers } from '../convert.ts';
import { biasesOf } from '../families.ts';
import { fromGgufName, isRotaryTable } from '../names.ts';
import { makeCheckpoint } from '../stored-checkpoint.ts';
import { parseGgufConfig, parseGgufSpecialIds } from './config.ts';
import { GgufFile } from './reader.ts';
import { openSplits } from './splits.ts';

export const ROPE_FREQS = 'rope_freqs.weight';

/** A GGUF file with a LLaMA in it, or the parts of a split one. Its rows of wq and wk are in Meta's order already. */
export async function openGgufModel(path: string): Promise<Checkpoint> {
  const op = 'openCheckpoint';
  const files = await openSplits(op, path);
  const [file = await GgufFile.open(path)] = files;
  const weights = new Map<string, TensorInfo>();
  for (const [part, tensor] of files.flatMap((each) =>
    [...each.tensors.values()].map((tensor) => [each, tensor] as const),
  )) {
    const { name: storedName, dtype, shape, bytes } = tensor;
    if (storedName === ROPE_FREQS || isRotaryTable(storedName)) continue;
    const name = fromGgufName(storedName) ?? storedName;
    const readBytes = (begin: number, end: number) => part.read(storedName, begin, end);
    const offset = part.place(tensor);
    const weight = {
      name,
      storedName,
      file: part.path,
      offset,
      dtype,
      shape,
      bytes,
      halfSplit: undefined,
      readBytes,
    };
    weights.set(name, weight);
  }
  const embedding = weights.get('tok_embeddings.weight');
  if (embedding?.shape.length !== 2) {
    fail(
      op,
      `${path} has ${weights.size} tensors, and no token_embd.weight of two dimensions among them.`,
      weights.size === 0 ? 'it holds a vocabulary only; openGguf reads that' : 'is it a LLaMA?',
    );
  }
  const config = parseGgufConfig(path, file.metadata, {
    vocabSize: embedding.shape[0] ?? 0,
    tiedEmbeddings: !weights.has('output.weight'),
    biases: biasesOf((name) => weights.has(name)),
    ropeDivisors: await readDivisors(op, files),
  });
  const metadata = new Map([...file.metadata].map(([key, { value }]) => [key, value] as const));
  const specialIds = parseGgufSpecialIds(path, file.metadata);
  return makeCheckpoint('gguf', file.path, config, specialIds, weights, metadata);
}

async function readDivisors(op: string, files: readonly GgufFile[]): Promise<Float32Array | undefined> {
  const file = files.find(({ tensors }) => tensors.has(ROPE_FREQS));
  const tensor = file?.tensors.get(ROPE_FREQS);
  if (!file || !tensor) return undefined;
  if (tensor.dtype !== 'f32' || tensor.shape.length !== 1 || tensor.bytes > 1 << 16)
    fail(op, `${file.path}: ${ROPE_FREQS} is ${tensor.dtype}[${tensor.shape.join(', ')}].`);
  return decodeNumbers(await file.read(ROPE_FREQS), 'f32') as Float32Array;
}
