import type { Llama } from '@cria/layers';
import { type ComputeDType, openStep, type Step, type Tensor } from '@cria/tensor';
import type { KeyValueBlocks } from '../cache/key-value-blocks.ts';
import { type DeviceRow, encodeSample } from '../sample/device-sampler.ts';
import type { Sampler } from '../sample/sampler.ts';
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
  /**
   * Logits [R · V], none where the device chose and nobody wants them; or hidden states [R · D] of
   * what is embedded. Valid until the next step.
   */
  readonly values: Float32Array;
  /**
   * What the device chose from the last rows, one id each, or a fault (`checkChosen`); undefined:
   * the host chooses.
   */
  readonly chosen?: Int32Array | undefined;
}

interface Wanted<Kind extends Work = Work> {
  readonly sequence: Kind;
  readonly from: number;
  /** In the step: first row, and the one behind the last. */
  readonly begin: number;
  readonly end: number;
  /** Rows at its end that an id is chosen from. */
  readonly choices: number;
}

/** The passes through a model: turns in, logits and hidden states of the wanted rows out. */
export class Passes {
  readonly #model: Llama;
  readonly #dtype: ComputeDType;
  readonly #cache: KeyValueBlocks;
  readonly #sampler: Sampler;
  /** Logits of the last step; used up before the next one. */
  #logits = new Float32Array(0);
  #count = 0;

  constructor(model: Llama, dtype: ComputeDType, cache: KeyValueBlocks, sampler: Sampler) {
    this.#model = model;
    this.#dtype = dtype;
    this.#cache = cache;
    this.#sampler = sampler;
  }

  /** Passes so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * One pass. Nothing is recorded in the sequences: that is the caller's, once it has succeeded.
   */
  async run(turns: readonly Turn<Work>[]): Promise<TurnResult[]> {
    const rows = turns.reduce((sum, turn) => sum + turn.rows, 0);
    const ids = new Int32Array(rows);
    const wanted: Wanted[] = [];
    let row = 0;
    for (const { sequence, rows: count } of turns) {
      const { computed } = sequence;
      const known = count - sequence.draft.length;
      ids.set(sequence.ids.subarray(computed, computed + known), row);
      ids.set(sequence.draft, row + known);
      const first = sequence.firstWanted(count);
      const choices = sequence instanceof EmbedText ? 0 : sequence.choosesFrom(count);
      if (first < count)
        wanted.push({ sequence, from: computed + first, begin: row + first, end: row + count, choices });
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
    const texts = wanted.filter((each): each is Wanted<IdText> => !(each.sequence instanceof EmbedText));
    const rows = texts.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
    if (texts.length === wanted.length && rows.length > 0)
      return await this.#results(texts, model.predict(ids, step, rows), step);
    const hidden = model.forward(model.tokens(ids, step), step);
    const vectors: TurnResult[] = [];
    for (const { sequence, from, begin, end } of wanted)
      if (sequence instanceof EmbedText)
        vectors.push({ sequence, from, values: await hidden.slice(begin, end).toFloat32() });
    if (rows.length > 0)
      return [...vectors, ...(await this.#results(texts, model.logits(hidden, step, rows), step))];
    await model.device.flush();
    return vectors;
  }

  /**
   * Ids where the device can choose them; logits where it cannot, or where they are wanted.       logits: [R, V]
   */
  async #results(texts: readonly Wanted<IdText>[], logits: Tensor, step: Step): Promise<TurnResult[]> {
    const chosen = await this.#chosen(texts, logits, step);
    const read = texts.map(({ sequence }, i) => sequence.wantsLogits || !chosen[i]);
    const whole = read.every(Boolean);
    const values = whole ? await this.#read(logits) : new Float32Array(0);
    const results: TurnResult[] = [];
    let row = 0;
    for (const [i, { sequence, from, begin, end }] of texts.entries()) {
      const first = row;
      row += end - begin;
      const { columns } = logits;
      const own = whole
        ? values.subarray(first * columns, row * columns)
        : read[i]
          ? await logits.slice(first, row).toFloat32()
          : values;
      results.push({ sequence, from, values: own, chosen: chosen[i] });
    }
    return results;
  }

  /**
   * By text: ids for the last of its rows, which it chooses from; undefined where the host must
   * choose.
   */
  async #chosen(
    texts: readonly Wanted<IdText>[],
    logits: Tensor,
    step: Step,
  ): Promise<(Int32Array | undefined)[]> {
    const asked = texts.map(({ sequence, choices }) => this.#deviceRows(sequence, choices));
    if (!asked.some((rows) => rows && rows.length > 0)) return asked.map((rows) => rows && new Int32Array(0));
    const rows = texts.flatMap(({ begin, end }, i): (DeviceRow | undefined)[] => {
      const own = asked[i] ?? [];
      return [...Array.from({ length: end - begin - own.length }, () => undefined), ...own];
    });
    const ids = (await encodeSample(step, logits, rows, this.#sampler.vocabSize).read()) as Int32Array; // i32
    let row = 0;
    return texts.map(({ begin, end }, i) => {
      row += end - begin;
      const own = asked[i];
      return own && ids.subarray(row - own.length, row);
    });
  }

  #deviceRows(text: IdText, count: number): DeviceRow[] | undefined {
    if (count === 0) return [];
    try {
      const rules = { mask: text.allowed(this.#sampler.vocabSize), endIds: text.stopIds };
      return this.#sampler.deviceRows(text.request.sampling, text, rules, count);
    } catch {
      // What is wrong with one text is told when its turn comes, on the host.
      return undefined;
    }
  }

  /**
   * Logits on the host, in memory that is used again.                    result: at least [R · V]
   */
  async #read(logits: Tensor): Promise<Float32Array> {
    if (logits.dtype !== 'f32') return await logits.toFloat32();
    if (this.#logits.length < logits.size) this.#logits = new Float32Array(logits.size);
    await logits.readInto(this.#logits);
    return this.#logits;
  }
}
