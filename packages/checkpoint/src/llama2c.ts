import { countParameters, type LlamaConfig, llamaConfig } from '@cria/layers';
import { CriaError, fail, sizeOf } from '@cria/tensor';
import type { Checkpoint, TensorInfo } from './checkpoint.ts';
import { openModelFile } from './model-file.ts';
import { makeCheckpoint } from './stored-checkpoint.ts';

/** Seven 32-bit numbers, and no magic. */
export const HEADER_BYTES = 28;

const VERSIONED_MAGIC = 0x616b3432; // "ak42"

/**
 * A llama2.c `.bin` of version 0 (`export.py legacy_export`): float32, Meta's row order, rotary
 * tables before an untied output matrix. The format has no magic, so the size of the file must be
 * exactly what its header says.
 */
export async function openLlama2c(path: string): Promise<Checkpoint> {
  const op = 'openCheckpoint';
  const file = await openModelFile(op, path);
  if (file.size < HEADER_BYTES)
    fail(op, `${path}: ${file.size} bytes are no llama2.c file.`, `its header alone takes ${HEADER_BYTES}`);
  const header = parseLlama2cHeader(path, await file.read(op, 0, HEADER_BYTES));
  const expected = fileBytes(header);
  if (expected !== file.size) {
    fail(
      op,
      `${path}: a llama2.c file of dim ${header.dim}, ffn ${header.ffnDim}, ${header.nLayers} layers, ` +
        `${header.nHeads} heads, ${header.nKvHeads} kv heads, ` +
        `vocab ${header.vocabSize}, context ${header.contextLength} has ${expected} bytes, this one ${file.size}.`,
      'the file is truncated or not in llama2.c format (version 0)',
    );
  }
  const weights = new Map<string, TensorInfo>();
  for (const { name, shape, begin } of placeTensors(header)) {
    const bytes = 4 * sizeOf(shape);
    const readBytes = (from: number, to: number) => file.read('checkpoint.read', begin + from, begin + to);
    weights.set(name, {
      name,
      storedName: name,
      file: path,
      offset: begin,
      dtype: 'f32',
      shape,
      bytes,
      halfSplit: undefined,
      readBytes,
    });
  }
  return makeCheckpoint('llama2c', path, header, { bos: 1, eos: [2], pad: undefined }, weights);
}

/**
 * dim, hidden, layers, heads, kv heads, vocabulary (negative: untied), context; eps 1e-5 and θ
 * 10000 by convention.
 */
export function parseLlama2cHeader(path: string, bytes: Uint8Array): LlamaConfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const field = (index: number) => view.getInt32(4 * index, true);
  if (view.getUint32(0, true) === VERSIONED_MAGIC) {
    fail(
      'openCheckpoint',
      `${path} is a llama2.c file of version ${field(1)}.`,
      'version 0 is read: export.py --version 0',
    );
  }
  try {
    return llamaConfig({
      dim: field(0),
      ffnDim: field(1),
      nLayers: field(2),
      nHeads: field(3),
      nKvHeads: field(4),
      vocabSize: Math.abs(field(5)),
      contextLength: field(6),
      normEps: 1e-5,
      ropeTheta: 10000,
      tiedEmbeddings: field(5) > 0,
    });
  } catch (error) {
    if (!(error instanceof CriaError)) throw error;
    return fail('openCheckpoint', `${path} is no llama2.c file: ${error.message}`, undefined, error);
  }
}

/** cos and sin of the rotary angles, [context, E / 2] each; not needed here. */
function tableBytes({ contextLength, headDim }: LlamaConfig): number {
  return 4 * contextLength * headDim;
}

/**
 * Size of the whole file; known before anything is made for its layers, of which a damaged header
 * may claim billions.
 */
function fileBytes(config: LlamaConfig): number {
  return HEADER_BYTES + 4 * countParameters(config) + tableBytes(config);
}

interface Placed {
  readonly name: string;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly begin: number;
}

/** Each kind of weight for all layers, one after the other. */
export function placeTensors(config: LlamaConfig): Placed[] {
  const {
    dim: D,
    ffnDim: F,
    nLayers: L,
    nHeads: H,
    nKvHeads: K,
    headDim: E,
    vocabSize: V,
    tiedEmbeddings,
  } = config;
  const placed: Placed[] = [];
  let begin = HEADER_BYTES;
  const place = (name: string, shape: readonly number[]) => {
    placed.push({ name, shape, begin });
    begin += 4 * sizeOf(shape);
  };
  const placeLayers = (part: string, shape: readonly number[]) => {
    for (let layer = 0; layer < L; layer++) place(`layers.${layer}.${part}.weight`, shape);
  };
  place('tok_embeddings.weight', [V, D]);
  placeLayers('attention_norm', [D]);
  placeLayers('attention.wq', [H * E, D]);
  placeLayers('attention.wk', [K * E, D]);
  placeLayers('attention.wv', [K * E, D]);
  placeLayers('attention.wo', [D, H * E]);
  placeLayers('ffn_norm', [D]);
  placeLayers('feed_forward.w1', [F, D]);
  placeLayers('feed_forward.w2', [D, F]);
  placeLayers('feed_forward.w3', [F, D]);
  place('norm.weight', [D]);
  begin += tableBytes(config);
  if (!tiedEmbeddings) place('output.weight', [V, D]);
  return placed;
}
