import { openStep } from '@cria/tensor';
import type { Device, PagedCache } from '@cria/tensor';
import type { Llama, LlamaConfig } from '../../src/index.ts';

/** Tokens of one sequence that enter the cache in one step. */
export interface Chunk {
  readonly sequence: number;
  readonly tokens: readonly number[];
}

/** The simplest scheduler that can be: sequence s owns every S-th block, so that its blocks never lie side by side. */
export class TestCache {
  readonly #layers: PagedCache['layers'];
  readonly #sequences: number;
  readonly #blockSize: number;
  readonly #blocksPerSequence: number;
  readonly #lengths: number[];

  constructor(device: Device, config: LlamaConfig, sequences: number, blockSize = 4) {
    this.#sequences = sequences;
    this.#blockSize = blockSize;
    this.#blocksPerSequence = Math.ceil(config.contextLength / blockSize);
    this.#lengths = new Array<number>(sequences).fill(0);
    const shape = [sequences * this.#blocksPerSequence, blockSize, config.nKvHeads * config.headDim];
    const empty = () => device.empty(shape, 'f32');
    this.#layers = Array.from({ length: config.nLayers }, () => ({ keys: empty(), values: empty() }));
  }

  /** The step's view of the cache after these chunks, one a sequence, were appended. */
  append(chunks: readonly Chunk[]): PagedCache {
    const slots: number[] = [];
    const queryStarts = [0];
    for (const { sequence, tokens } of chunks) {
      for (let i = 0; i < tokens.length; i++) {
        const position = this.#lengths[sequence]!++;
        slots.push(
          this.#block(sequence, Math.floor(position / this.#blockSize)) * this.#blockSize +
            (position % this.#blockSize),
        );
      }
      queryStarts.push(slots.length);
    }
    return {
      layers: this.#layers,
      slots,
      queryStarts,
      blocksPerSequence: this.#blocksPerSequence,
      blockTable: chunks.flatMap(({ sequence }) =>
        Array.from({ length: this.#blocksPerSequence }, (_, b) => this.#block(sequence, b)),
      ),
      lengths: chunks.map(({ sequence }) => this.#lengths[sequence]!),
    };
  }

  #block(sequence: number, index: number): number {
    return (this.#blocksPerSequence - 1 - index) * this.#sequences + sequence;
  }
}

/** Logits of the last row of every chunk, [chunks, V]. */
export async function lastLogits(
  model: Llama,
  chunks: readonly Chunk[],
  cache: PagedCache,
): Promise<number[][]> {
  const ids = chunks.flatMap(({ tokens }) => tokens);
  using step = openStep(model.device, { rows: ids.length, cache });
  const ends = chunks.map((_, i) => Number(cache.queryStarts[i + 1]) - 1);
  const logits = await model.logits(model.forward(model.tokens(ids, step), step), step, ends).read();
  const { vocabSize } = model.config;
  return chunks.map((_, i) => Array.from(logits.subarray(i * vocabSize, (i + 1) * vocabSize)));
}
