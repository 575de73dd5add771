import type { Llama } from '@cria/layers';
import { type ComputeDType, openStep, type Tensor } from '@cria/tensor';
import type { KeyValueBlocks } from '../cache/key-value-blocks.ts';
import type { Turn } from '../schedule/scheduler.ts';
import { EmbedText } from '../sequence/embed-text.ts';
import type { IdText } from '../sequence/id-text.ts';

/** Everything that the engine computes. */
export type Work = IdText | EmbedText;

/** What the model says of the wanted rows of one turn. */
export interface TurnResult {
  readonly sequence: Work;
  /** Position of the first wanted row. */
  readonly from: number;
  /** Logits [R · V], or hidden states [R · D] of what is embedded. Valid until the next step. */
  readonly values: Float32Array;
}

interface Wanted {
  readonly sequence: Work;
  readonly from: number;
  /** In the step: first row, and the one behind the last. */
  readonly begin: number;
  readonly end: number;
}

/** The passes through a model: turns in, logits and hidden states of the wanted rows out. */
export class Passes {
  readonly #model: Llama;
  readonly #dtype: ComputeDType;
  readonly #cache: KeyValueBlocks;
  /** Logits of the last step; used up before the next one. */
  #logits = new Float32Array(0);
  #count = 0;

  constructor(model: Llama, dtype: ComputeDType, cache: KeyValueBlocks) {
    this.#model = model;
    this.#dtype = dtype;
    this.#cache = cache;
  }

  /** Passes so far. */
  get count(): number {
    return this.#count;
  }

  /** One pass. Nothing is recorded in the sequences: that is the caller's, once it has succeeded. */
  async run(turns: readonly Turn<Work>[]): Promise<TurnResult[]> {
    const rows = turns.reduce((sum, turn) => sum + turn.rows, 0);
    const ids = new Int32Array(rows);
    const wanted: Wanted[] = [];
    let row = 0;
    for (const { sequence, rows: count } of turns) {
      const { computed } = sequence;
      ids.set(sequence.ids.subarray(computed, computed + count), row);
      const first = sequence.firstWanted(count);
      if (first < count)
        wanted.push({ sequence, from: computed + first, begin: row + first, end: row + count });
      row += count;
    }
    const results = await this.#forward(ids, turns, wanted);
    this.#count++;
    return results;
  }

  async #forward(
    ids: Int32Array,
    turns: readonly Turn<Work>[],
    wanted: readonly Wanted[],
  ): Promise<TurnResult[]> {
    const model = this.#model;
    const cache = this.#cache.view(turns);
    using step = openStep(model.device, { rows: ids.length, dtype: this.#dtype, cache });
    const texts = wanted.filter(({ sequence }) => !(sequence instanceof EmbedText));
    const rows = texts.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
    if (texts.length === wanted.length && rows.length > 0)
      return this.#split(texts, await this.#read(model.predict(ids, step, rows)));
    const hidden = model.forward(model.tokens(ids, step), step);
    const vectors: TurnResult[] = [];
    for (const { sequence, from, begin, end } of wanted)
      if (sequence instanceof EmbedText)
        vectors.push({ sequence, from, values: await hidden.slice(begin, end).toFloat32() });
    if (rows.length > 0)
      return [...vectors, ...this.#split(texts, await this.#read(model.logits(hidden, step, rows)))];
    await model.device.flush();
    return vectors;
  }

  /** Logits on the host, in memory that is used again.                    result: at least [R · V] */
  async #read(logits: Tensor): Promise<Float32Array> {
    if (logits.dtype !== 'f32') return await logits.toFloat32();
    if (this.#logits.length < logits.size) this.#logits = new Float32Array(logits.size);
    await logits.readInto(this.#logits);
    return this.#logits;
  }

  #split(texts: readonly Wanted[], logits: Float32Array): TurnResult[] {
    const { vocabSize } = this.#model.config;
    let at = 0;
    return texts.map(({ sequence, from, begin, end }) => {
      const values = logits.subarray(at, (at += (end - begin) * vocabSize));
      return { sequence, from, values };
    });
  }
}
