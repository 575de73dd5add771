import type { BlockLayer, LlamaConfig } from '@cria/layers';
import { byteLength, type ComputeDType, type Device, dtypes, fail, type PagedCache } from '@cria/tensor';
import type { Turn } from '../schedule/scheduler.ts';

/**
 * How keys and values can be stored: q8_0 takes 34 bytes for 32 numbers, and needs heads whose
 * width is a multiple of 32.
 */
export const cacheDTypes = ['f32', 'bf16', 'f16', 'q8_0'] as const;
export type CacheDType = (typeof cacheDTypes)[number];

/** Throws where the heads of a model do not fit the blocks of a dtype, or there is no such cache. */
export function checkCacheDType(op: string, dtype: CacheDType, { headDim }: LlamaConfig): void {
  if (!cacheDTypes.includes(dtype))
    fail(op, `no cache of ${String(dtype)}.`, `known are ${cacheDTypes.join(', ')}`);
  const { blockSize } = dtypes[dtype];
  if (headDim % blockSize !== 0) {
    fail(
      op,
      `heads of ${headDim} do not divide into blocks of ${blockSize} of ${dtype}.`,
      'use a cache of f32, bf16 or f16',
    );
  }
}

export interface BlockShape {
  /** The blocks of the model; each says how wide its keys are. */
  readonly layers: readonly Pick<BlockLayer, 'cacheWidth'>[];
  /** Tokens per block. */
  readonly blockSize: number;
  readonly dtype: CacheDType | ComputeDType;
}

/** Memory of one block over all layers: keys and values of `blockSize` tokens. */
export function bytesPerBlock({ layers, blockSize, dtype }: BlockShape): number {
  return layers.reduce((sum, { cacheWidth }) => sum + 2 * byteLength(dtype, blockSize * cacheWidth), 0);
}

/** The memory behind the block numbers: per layer two tensors [blocks, blockSize, K·E], allocated once. */
export class KeyValueBlocks {
  readonly layers: PagedCache['layers'];
  #device: Device;
  #blockSize: number;

  constructor(device: Device, blocks: number, { layers, blockSize, dtype }: BlockShape) {
    this.#device = device;
    this.#blockSize = blockSize;
    this.layers = layers.map(({ cacheWidth }) => ({
      keys: device.empty([blocks, blockSize, cacheWidth], dtype),
      values: device.empty([blocks, blockSize, cacheWidth], dtype),
    }));
  }

  /** The cache as a step sees it: rows of the sequences one after another, in the order of the turns. */
  view(turns: readonly Turn[]): PagedCache {
    const blocksPerSequence = Math.max(...turns.map(({ sequence }) => sequence.blocks.length));
    const blockTable = new Int32Array(turns.length * blocksPerSequence);
    const queryStarts = [0];
    const lengths: number[] = [];
    const slots: number[] = [];
    turns.forEach(({ sequence, rows }, s) => {
      blockTable.set(sequence.blocks, s * blocksPerSequence);
      lengths.push(sequence.computed + rows);
      for (let position = sequence.computed; position < sequence.computed + rows; position++) {
        const block = sequence.blocks[Math.floor(position / this.#blockSize)] as number; // the scheduler reserved it
        slots.push(block * this.#blockSize + (position % this.#blockSize));
      }
      queryStarts.push(slots.length);
    });
    return { layers: this.layers, slots, blockTable, blocksPerSequence, queryStarts, lengths };
  }

  free(): void {
    for (const { keys, values } of this.layers) {
      this.#device.free(keys.storage);
      this.#device.free(values.storage);
    }
  }
}
