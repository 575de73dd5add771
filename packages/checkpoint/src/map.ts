import { stat } from 'node:fs/promises';
import {
  checkOptions,
  type ComputeDType,
  type Device,
  type DType,
  dtypes,
  type Parameter,
  type ParameterSpace,
  type StorageId,
  Tensor,
} from '@cria/tensor';
import type { Checkpoint, TensorInfo } from './checkpoint.ts';
import { isNumeric } from './dtypes.ts';
import { label, planLoad } from './load-plan.ts';
import type { NotFiniteReport } from './not-finite.ts';
import { copyWeights, numericDType } from './weights.ts';

export interface MapOptions {
  /**
   * Types that stay as they are stored; others become `dtype`. Default: those in which the device
   * computes.
   */
  readonly keep?: readonly DType[];
  /** Default f32. */
  readonly dtype?: ComputeDType;
  /** Map files into memory where the device can. Default true; false copies every weight. */
  readonly mmap?: boolean;
  /** Parameters that the checkpoint has; default all. Others, those of adapters, are left as they are. */
  readonly parameters?: (parameter: Parameter) => boolean;
  /** Told about weights that have values which are NaN or infinite, where their type is changed. */
  readonly onNotFinite?: (report: NotFiniteReport) => void;
}

/** Weights that were bound to a model; they go with it. */
export interface MappedWeights extends Disposable {
  /** Bytes of weights that are the file itself, read in as they are touched. */
  readonly mappedBytes: number;
  /** Bytes in memory of the device's own. */
  readonly copiedBytes: number;
  /**
   * Once parameters have taken other values, as `Llama.pack` gives them: unmaps and frees what none
   * of them uses any more. What is still used stays mapped, weight by weight.
   */
  trim(): Promise<void>;
}

const op = 'mapWeights';

/** Smaller weights are not worth a mapping of their own. */
const LEAST_MAPPED = 1 << 16;

/**
 * Gives every parameter a value from the checkpoint, for inference: `parameters.allocate` is not
 * called. A weight whose type is kept and whose rows lie in the file as the model wants them is a
 * view of the file, mapped once; the others are copied and converted. Names every tensor that is
 * missing, unexpected or of another shape in one error, before any parameter has a value.
 *
 * A file that is cut while it is mapped ends the process with a bus error when a missing page is
 * touched, which no program can survive in good order; replacing a file by rename is safe.
 * `mmap: false` is for files that others may cut.
 */
export async function mapWeights(
  checkpoint: Checkpoint,
  parameters: ParameterSpace,
  options: MapOptions = {},
): Promise<MappedWeights> {
  checkOptions(op, options, ['keep', 'dtype', 'mmap', 'parameters', 'onNotFinite']);
  const { keep = [...parameters.device.computeDTypes], dtype = 'f32', mmap = true } = options;
  const { path, tensors, config } = checkpoint;
  const wanted = parameters.parameters.filter(options.parameters ?? (() => true));
  const plan = await planLoad(op, path, tensors, wanted, {
    tied: config.tiedEmbeddings,
    refuse: (_, weight) => (isNumeric(weight.dtype) ? undefined : `${label(weight)} is ${weight.dtype}`),
  });
  const binding = new Binding(parameters);
  try {
    const copies: [Tensor, TensorInfo][] = [];
    for (const [parameter, weight] of plan) {
      const stored = numericDType(op, weight);
      const kept = keep.includes(stored);
      if (mmap && kept && isInPlace(weight, stored) && (await binding.map(parameter, weight, stored)))
        continue;
      copies.push([binding.allocate(parameter, kept ? stored : dtype), weight]);
    }
    await copyWeights(copies, options.onNotFinite);
  } catch (error) {
    binding[Symbol.dispose]();
    throw error;
  }
  return binding;
}

/**
 * Values of parameters: views of whole mapped files at first, after `trim` mappings of single
 * weights, and memory of the device.
 */
class Binding implements MappedWeights {
  readonly #parameters: ParameterSpace;
  readonly #device: Device;
  /** Whole files, by path; none after `trim`. */
  readonly #files = new Map<string, StorageId>();
  readonly #owned: StorageId[] = [];
  readonly #mapped: [Parameter, TensorInfo][] = [];
  #copiedBytes = 0;

  constructor(parameters: ParameterSpace) {
    this.#parameters = parameters;
    this.#device = parameters.device;
  }

  get mappedBytes(): number {
    return this.#mapped.reduce((total, [, { bytes }]) => total + bytes, 0);
  }

  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /**
   * Makes a parameter a view of the file; false where the device cannot map files, or not at such
   * an offset.
   */
  async map(parameter: Parameter, weight: TensorInfo, dtype: DType): Promise<boolean> {
    const device = this.#device;
    const { mapFile, offsetAlignment } = device.abilities;
    const { file, offset = 0 } = weight;
    if (!mapFile || offset % offsetAlignment !== 0) return false;
    await refuseChanged(weight);
    const storage = this.#files.get(file) ?? mapFile(file, 0, (await stat(file)).size);
    this.#files.set(file, storage);
    parameter.value = new Tensor(device, dtype, parameter.shape, { storage, offset });
    this.#mapped.push([parameter, weight]);
    return true;
  }

  /** Gives a parameter memory to be written. */
  allocate(parameter: Parameter, dtype: DType): Tensor {
    const value = this.#device.empty(parameter.shape, dtype);
    this.#owned.push(value.storage);
    this.#copiedBytes += value.byteLength;
    parameter.value = value;
    return value;
  }

  async trim(): Promise<void> {
    const inUse = new Set(
      this.#parameters.parameters.flatMap((each) => (each.bound ? [each.value.storage] : [])),
    );
    for (const storage of this.#owned.splice(0)) {
      if (inUse.has(storage)) this.#owned.push(storage);
      else this.#device.free(storage);
    }
    for (const [parameter, weight] of this.#mapped)
      if (parameter.value.storage === this.#files.get(weight.file)) await this.#mapAlone(parameter, weight);
    for (const storage of this.#files.values()) this.#device.free(storage);
    this.#files.clear();
    await this.#device.flush();
  }

  [Symbol.dispose](): void {
    for (const storage of [...this.#files.values(), ...this.#owned.splice(0)]) this.#device.free(storage);
    this.#files.clear();
  }

  /** A mapping of one weight, or a copy where that is too small for one. */
  async #mapAlone(parameter: Parameter, weight: TensorInfo): Promise<void> {
    const device = this.#device;
    const { mapFile } = device.abilities;
    const { file, offset = 0, bytes } = weight;
    const { dtype } = parameter.value;
    await refuseChanged(weight);
    const own =
      mapFile && bytes >= LEAST_MAPPED
        ? new Tensor(device, dtype, parameter.shape, {
            storage: mapFile(file, offset, bytes),
            offset: 0,
          })
        : device.empty(parameter.shape, dtype);
    if (bytes < LEAST_MAPPED) own.write(await weight.readBytes(0, bytes));
    this.#owned.push(own.storage);
    parameter.value = own;
  }
}

/** Reading nothing refuses a file that is no longer the one that was opened. */
async function refuseChanged(weight: TensorInfo): Promise<void> {
  await weight.readBytes(0, 0);
}

/**
 * In the file as the model wants it: in one piece, rows in Meta's order, elements at multiples of
 * their size.
 */
function isInPlace({ offset, halfSplit }: TensorInfo, dtype: DType): boolean {
  const { blockSize, blockBytes } = dtypes[dtype];
  return offset !== undefined && halfSplit === undefined && (blockSize > 1 || offset % blockBytes === 0);
}
