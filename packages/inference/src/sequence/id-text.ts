import type { IdBits } from '../sample/allowed-ids.ts';
import type { Drafting } from '../speculate/drafting.ts';
import type { IdRequest } from './id-request.ts';
import { logProbabilitiesOf, type TokenLogProbability } from './log-probabilities.ts';
import type { IdChunk, IdFinish, Reader } from './results.ts';
import { Sequence, type SequenceOptions } from './sequence.ts';

/** Chooses an id that follows `text`, from the logits there where they were read.              logits: [V] */
export type ChooseId = (logits: Float32Array, text: IdText) => number;

export interface RowShape {
  readonly stride: number;
  readonly width: number;
}

interface Chosen {
  readonly ids: readonly number[];
  readonly probabilities: readonly TokenLogProbability[];
  readonly finish: IdFinish | undefined;
}

/** A text being continued: from the rows that the model gives to ids, and to the reason why they end. */
export class IdText extends Sequence {
  readonly request: IdRequest;
  readonly reader: Reader<IdChunk>;
  /** Ids that end it. */
  readonly stopIds: ReadonlySet<number>;
  readonly #drafting: Drafting | undefined;
  #bits: IdBits | undefined;
  /** Length of the text that the bits belong to. */
  #bitsOf = -1;
  /** Ids of the prompt whose log-probabilities were given out. */
  #told = 1;

  constructor(
    request: IdRequest,
    reader: Reader<IdChunk>,
    stopIds: ReadonlySet<number>,
    options: SequenceOptions,
    drafting?: Drafting,
  ) {
    super(request.ids, { ...options, fresh: request.promptLogProbabilities !== undefined });
    this.request = request;
    this.reader = reader;
    this.stopIds = request.stopIds ?? stopIds;
    this.#drafting = drafting;
  }

  /** Neither ids nor anything of the prompt. */
  get wantsNothing(): boolean {
    return this.request.maxTokens === 0 && this.request.promptLogProbabilities === undefined;
  }

  /** Ends a request for nothing. */
  finishEmpty(): void {
    this.#tell({ ids: [], finishReason: 'length' });
  }

  /** At most so many that the last of them is not the last of the text. */
  override propose(most: number): void {
    const room = Math.min(most, this.request.maxTokens - this.generated - 1);
    if (this.#drafting && room > 0) this.draft = this.#drafting.draft(this.ids, room);
    else super.propose(0);
  }

  /** First of the next `rows` rows whose logits are wanted: the last one, or all of a prompt. */
  firstWanted(rows: number): number {
    if (this.request.promptLogProbabilities !== undefined && this.computed < this.promptLength) return 0;
    const known = rows - this.draft.length;
    return this.pending === known ? known - 1 : rows;
  }

  /**
   * Logits of the wanted rows of a step, from position `from` on; gives out what comes of them.
   *                                                     logits: R rows of `stride`, may be changed
   * `width`: the ids that there are; logits beyond them only pad the output matrix.
   * @returns whether the text is complete
   */
  take(logits: Float32Array, { stride, width }: RowShape, from: number, choose: ChooseId): boolean {
    const rowOf = (position: number) => {
      const start = (position - from) * stride;
      return logits.subarray(start, start + width);
    };
    const told = this.#promptLogProbabilities(rowOf, from, logits.length / stride);
    const prompt = told.length > 0 ? { promptLogProbabilities: told } : {};
    if (this.pending > 0) {
      if (told.length > 0) this.#tell({ ids: [], ...prompt });
      return false;
    }
    if (this.request.maxTokens === 0) {
      this.#tell({ ids: [], ...prompt, finishReason: 'length' });
      return true;
    }
    const { ids, probabilities, finish } = this.#chooseAll(rowOf, choose);
    this.#tell({
      ids,
      ...prompt,
      ...(this.request.logProbabilities !== undefined && { logProbabilities: probabilities }),
      ...(finish && { finishReason: finish }),
    });
    return finish !== undefined;
  }

  /** Which ids may come next, where a constraint says so; asked once for each place. */
  allowed(vocabSize: number): IdBits | undefined {
    const { constraint } = this.request;
    if (!constraint) return undefined;
    this.#bits ??= new Uint32Array(Math.ceil(vocabSize / 32));
    if (this.#bitsOf !== this.length) constraint.mask(this.#bits);
    this.#bitsOf = this.length;
    return this.#bits;
  }

  /** How many of the next `rows` rows an id is chosen from: those behind the text, which come last. */
  choosesFrom(rows: number): number {
    const { length } = this.draft;
    return this.pending + length === rows && this.request.maxTokens > 0 ? 1 + length : 0;
  }

  /** Whether logits themselves are wanted, not only what is chosen from them. */
  get wantsLogits(): boolean {
    const { logProbabilities, promptLogProbabilities } = this.request;
    return logProbabilities !== undefined || promptLogProbabilities !== undefined;
  }

  /**
   * The id that follows, and then one more for each id of the draft that turned out right: its row
   * is what the model says after it. A draft that is wrong from somewhere on leaves no trace, since
   * what the cache holds beyond `computed` is written again.
   */
  #chooseAll(rowOf: (position: number) => Float32Array, choose: ChooseId): Chosen {
    const ids: number[] = [];
    const probabilities: TokenLogProbability[] = [];
    let finish: IdFinish | undefined;
    let right: boolean;
    do {
      const { id, probability } = this.#choose(rowOf(this.length - 1), choose);
      right = id === this.draft[ids.length];
      ids.push(id);
      if (probability) probabilities.push(probability);
      finish = this.#accept(id);
      if (right && !finish) this.computed++;
    } while (right && !finish);
    this.#drafting?.learn(this.draft.length, ids.length - 1);
    return { ids, probabilities, finish };
  }

  /** The id of one row. Log-probabilities are the model's own, before any mask. */
  #choose(row: Float32Array, choose: ChooseId) {
    const top = this.request.logProbabilities;
    const id = choose(row, this);
    return { id, probability: top === undefined ? undefined : logProbabilitiesOf(row, id, top) };
  }

  /** One more id. One that ends texts is no part of what a constraint speaks of. */
  #accept(id: number): IdFinish | undefined {
    this.append(id);
    const stopped = this.stopIds.has(id);
    if (!stopped) this.request.constraint?.accept(id);
    return this.#finish(stopped);
  }

  #finish(stopped: boolean): IdFinish | undefined {
    if (stopped) return 'stop';
    if (this.request.constraint?.isComplete) return 'complete';
    return this.generated >= this.request.maxTokens ? 'length' : undefined;
  }

  /** The row of each position tells of the id behind it. */
  #promptLogProbabilities(
    rowOf: (position: number) => Float32Array,
    from: number,
    rows: number,
  ): TokenLogProbability[] {
    const top = this.request.promptLogProbabilities;
    const found: TokenLogProbability[] = [];
    if (top === undefined) return found;
    for (; this.#told < Math.min(this.promptLength, from + rows + 1); this.#told++)
      found.push(logProbabilitiesOf(rowOf(this.#told - 1), this.ids[this.#told] ?? -1, top));
    return found;
  }

  #tell(chunk: Omit<IdChunk, 'usage'>): void {
    const { promptLength, generated, cached = 0 } = this;
    const usage = {
      promptTokens: promptLength,
      completionTokens: generated,
      cachedTokens: Math.min(cached, promptLength),
    };
    this.reader.take({ ...chunk, usage });
  }
}
