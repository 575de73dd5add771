/*
 * A model from a GGUF file as llama-bench runs one: no sampling, no text, logits of the last row of
 * each sequence copied out.
 */
import { openStep } from '@cria/tensor';
import { type MappedWeights, mapWeights, openCheckpoint } from '@cria/checkpoint';
import type { CpuDevice } from '@cria/cpu';
import { Llama } from '@cria/layers';
import type { DType, PagedCache, Tensor } from '@cria/tensor';

/** Tokens per block of the cache, as in the engine. */
const BLOCK_SIZE = 16;
/** Every type a matrix product takes as it is stored. */
const KEEP: readonly DType[] = ['f32', 'bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k']; // prettier-ignore

export interface LoadedLlama extends Disposable {
  readonly model: Llama;
  /** Bytes that a token reads: all matrices but the looked-up embedding. */
  readonly bytes: number;
}

/** The file mapped, its matrices packed, each in the type that it has there. */
export async function loadLlama(
  device: CpuDevice,
  file: string,
  contextLength: number,
): Promise<LoadedLlama> {
  const checkpoint = await openCheckpoint(file);
  const model = new Llama({ ...checkpoint.config, contextLength }, { device });
  const weights: MappedWeights = await mapWeights(checkpoint, model.parameters, { keep: KEEP });
  const packed: Tensor[] = [];
  let bytes = 0;
  for (const parameter of model.parameters.parameters) {
    if (parameter.shape.length < 2 || parameter === model.embedding.weight) continue;
    bytes += parameter.value.byteLength;
    parameter.value = device.pack(parameter.value);
    packed.push(parameter.value);
    await device.flush();
  }
  if (checkpoint.config.tiedEmbeddings) {
    bytes += model.embedding.weight.value.byteLength;
    model.output.pack();
  }
  const dispose = () => {
    model[Symbol.dispose]();
    for (const { storage } of packed) device.free(storage);
    weights[Symbol.dispose]();
    void device.flush();
  };
  return { model, bytes, [Symbol.dispose]: dispose };
}

/** A cache of some sequences, whose first `depth` positions count as filled; every pass goes on from there. */
export class Sequences implements Disposable {
  readonly model: Llama;
  readonly count: number;
  readonly #blocks: number;
  readonly #blockTable: Int32Array;
  readonly #logits: Float32Array;
  readonly #layers: PagedCache['layers'];

  constructor(model: Llama, count: number, length: number, dtype: 'f32' | 'bf16' | 'f16' | 'q8_0') {
    const { nLayers, nKvHeads, headDim } = model.config;
    const { device } = model;
    this.model = model;
    this.count = count;
    this.#logits = new Float32Array(count * model.config.vocabSize);
    this.#blocks = Math.ceil(length / BLOCK_SIZE);
    this.#blockTable = Int32Array.from({ length: count * this.#blocks }, (_, i) => i);
    const shape = [count * this.#blocks, BLOCK_SIZE, nKvHeads * headDim];
    // Ordinary numbers, so that attention does what it does after a prompt.
    const elements = count * this.#blocks * BLOCK_SIZE * nKvHeads * headDim;
    const numbers = Float32Array.from({ length: elements }, (_, i) => (((i * 37) % 101) - 50) / 50);
    const source = device.tensor(numbers, shape, 'f32');
    const filled = () => {
      const tensor = device.empty(shape, dtype);
      device.kernels.cast(tensor, source);
      return tensor;
    };
    this.#layers = Array.from({ length: nLayers }, () => ({ keys: filled(), values: filled() }));
    device.free(source.storage);
    void device.flush();
  }

  /** `rows` tokens of each sequence at positions from `from` on. */
  async pass(rows: number, from: number): Promise<void> {
    const { model, count } = this;
    const { device, config } = model;
    const length = this.#blocks * BLOCK_SIZE;
    const [ids, slots] = [new Int32Array(count * rows), new Int32Array(count * rows)];
    const [starts, last] = [new Int32Array(count + 1), new Int32Array(count)];
    for (let s = 0; s < count; s++) {
      for (let i = 0; i < rows; i++) {
        ids[s * rows + i] = Math.floor(Math.random() * config.vocabSize);
        slots[s * rows + i] = s * length + from + i;
      }
      starts[s + 1] = (s + 1) * rows;
      last[s] = (s + 1) * rows - 1;
    }
    using step = openStep(device, {
      rows: count * rows,
      cache: {
        layers: this.#layers,
        slots,
        blockTable: this.#blockTable,
        blocksPerSequence: this.#blocks,
        queryStarts: starts,
        lengths: new Int32Array(count).fill(from + rows),
      },
    });
    await model.predict(ids, step, last).readInto(this.#logits);
  }

  [Symbol.dispose](): void {
    for (const { keys, values } of this.#layers) {
      this.model.device.free(keys.storage);
      this.model.device.free(values.storage);
    }
  }
}
