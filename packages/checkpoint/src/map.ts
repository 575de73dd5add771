import { stat } from 'node:fs/promises';
import {
  checkOptions,
  type ComputeDType,
  type DType,
  dtypes,
  fail,
  type Parameter,
  type ParameterSpace,
  type StorageId,
  Tensor,
} from '@cria/tensor';
import type { Checkpoint, TensorInfo } from './checkpoint.ts';
import { isNumeric, numericDTypes } from './dtypes.ts';
import { copyWeights } from './weights.ts';

export interface MapOptions {
  /** Types that stay as they are stored; others become `dtype`. Default: those in which the device computes. */
  readonly keep?: readonly DType[];
  /** Default f32. */
  readonly dtype?: ComputeDType;
  /** Map files into memory where the device can. Default true; false copies every weight. */
  readonly mmap?: boolean;
}

/** Weights that were bound to a model; they go with it. */
export interface MappedWeights extends Disposable {
  /** Bytes of weights that are the file itself, read in as they are touched. */
  readonly mappedBytes: number;
  /** Bytes in memory of the device's own. */
  readonly copiedBytes: number;
  /**
   * Once parameters have taken other values, as `Llama.pack` gives them: unmaps and frees what none of them uses any more. What is still
   * used stays mapped, weight by weight.
   */
  trim(): Promise<void>;
}

/** Smaller weights are not worth a mapping of their own. */
const LEAST_MAPPED = 1 << 16;

/**
 * Gives every parameter a value from the checkpoint, for inference: `parameters.allocate` is not called. A weight whose type is kept and
 * whose rows lie in the file as the model wants them is a view of the file, mapped once; the others are copied and converted.
 *
 * A file that is cut while it is mapped ends the process with a bus error when a missing page is touched, which no program can
 * survive in good order; replacing a file by rename is safe. `mmap: false` is for files that others may cut.
 */
export async function mapWeights(
  checkpoint: Checkpoint,
  parameters: ParameterSpace,
  options: MapOptions = {},
): Promise<MappedWeights> {
  const op = 'mapWeights';
  checkOptions(op, options, ['keep', 'dtype', 'mmap']);
  const { device } = parameters;
  const { keep = [...device.computeDTypes], dtype = 'f32', mmap = true } = options;
  const plan = planWeights(op, checkpoint, parameters);
  const storages = new Map<string, StorageId>();
  const owned: StorageId[] = [];
  const copies: [Tensor, TensorInfo][] = [];
  const mapped: [Parameter, TensorInfo][] = [];
  const release = () => {
    for (const storage of [...storages.values(), ...owned.splice(0)]) device.free(storage);
    storages.clear();
  };
  try {
    for (const [parameter, weight] of plan) {
      const stored = isNumeric(weight.dtype)
        ? numericDTypes[weight.dtype]
        : fail(op, `${weight.name} is ${weight.dtype}.`);
      const kept = keep.includes(stored);
      if (mmap && kept && device.mapFile && isInPlace(weight, stored)) {
        await weight.readBytes(0, 0); // refuses a file that is no longer the one that was opened
        const storage =
          storages.get(weight.file) ?? device.mapFile(weight.file, 0, (await stat(weight.file)).size);
        storages.set(weight.file, storage);
        parameter.value = new Tensor(device, stored, parameter.shape, {
          storage,
          offset: weight.offset ?? 0,
        });
        mapped.push([parameter, weight]);
        continue;
      }
      const value = device.empty(parameter.shape, kept ? stored : dtype);
      owned.push(value.storage);
      copies.push([value, weight]);
      parameter.value = value;
    }
    await copyWeights(copies);
  } catch (error) {
    release();
    throw error;
  }
  const trim = async () => {
    const inUse = new Set(parameters.parameters.map(({ value }) => value.storage));
    for (const storage of owned.splice(0)) {
      if (inUse.has(storage)) owned.push(storage);
      else device.free(storage);
    }
    for (const [parameter, weight] of mapped) {
      const { storage, dtype } = parameter.value;
      if (storage !== storages.get(weight.file)) continue;
      await weight.readBytes(0, 0);
      const own =
        device.mapFile && weight.bytes >= LEAST_MAPPED
          ? new Tensor(device, dtype, parameter.shape, {
              storage: device.mapFile(weight.file, weight.offset ?? 0, weight.bytes),
              offset: 0,
            })
          : device.empty(parameter.shape, dtype);
      if (weight.bytes < LEAST_MAPPED) own.write(await weight.readBytes(0, weight.bytes));
      owned.push(own.storage);
      parameter.value = own;
    }
    for (const storage of storages.values()) device.free(storage);
    storages.clear();
    await device.flush();
  };
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  return {
    mappedBytes: sum(mapped.map(([, { bytes }]) => bytes)),
    copiedBytes: sum(copies.map(([{ byteLength }]) => byteLength)),
    trim,
    [Symbol.dispose]: release,
  };
}

/** In the file as the model wants it: in one piece, rows in Meta's order, elements at multiples of their size. */
function isInPlace({ offset, halfSplit }: TensorInfo, dtype: DType): boolean {
  const { blockSize, blockBytes } = dtypes[dtype];
  return offset !== undefined && halfSplit === undefined && (blockSize > 1 || offset % blockBytes === 0);
}

function planWeights(op: string, { path, tensors, config }: Checkpoint, { parameters }: ParameterSpace) {
  const problems: string[] = [];
  const plan = parameters.flatMap((parameter) => {
    const tied = config.tiedEmbeddings && parameter.name === 'output.weight';
    const weight = tensors.get(parameter.name) ?? (tied ? tensors.get('tok_embeddings.weight') : undefined);
    if (!weight) problems.push(`${parameter.name} is missing`);
    else if (weight.shape.join() !== parameter.shape.join())
      problems.push(
        `${parameter.name} has shape [${weight.shape.join(', ')}], the model [${parameter.shape.join(', ')}]`,
      );
    return weight ? [[parameter, weight] as const] : [];
  });
  if (problems.length > 0)
    fail(
      op,
      `${path} does not fit the model: ${problems.join('; ')}.`,
      'build the model from the configuration of the checkpoint',
    );
  return plan;
}
