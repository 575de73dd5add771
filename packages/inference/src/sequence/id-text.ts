import type { IdBits } from '../sample/allowed-ids.ts';
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

/** A text being continued: from the rows that the model gives to ids, and to the reason why they end. */
export class IdText extends Sequence {
  readonly request: IdRequest;
  readonly reader: Reader<IdChunk>;
  /** Ids that end it. */
  readonly stopIds: ReadonlySet<number>;
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
  ) {
    super(request.ids, { ...options, fresh: request.promptLogProbabilities !== undefined });
    this.request = request;
    this.reader = reader;
    this.stopIds = request.stopIds ?? stopIds;
  }

  /** Neither ids nor anything of the prompt. */
  get wantsNothing(): boolean {
    return this.request.maxTokens === 0 && this.request.promptLogProbabilities === undefined;
  }

  /** Ends a request for nothing. */
  finishEmpty(): void {
    this.#tell({ ids: [], finishReason: 'length' });
  }

  /** First of the next `rows` rows whose logits are wanted: the last one, or all of a prompt. */
  firstWanted(rows: number): number {
    if (this.request.promptLogProbabilities !== undefined && this.computed < this.promptLength) return 0;
    return this.pending === rows ? rows - 1 : rows;
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
    const { ids, probabilities, finish } = this.#choose(rowOf(this.length - 1), choose);
    this.#tell({
      ids,
      ...prompt,
      ...(probabilities.length > 0 && { logProbabilities: probabilities }),
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
    return this.pending === rows && this.request.maxTokens > 0 ? 1 : 0;
  }

  /** Whether logits themselves are wanted, not only what is chosen from them. */
  get wantsLogits(): boolean {
    const { logProbabilities, promptLogProbabilities } = this.request;
    return logProbabilities !== undefined || promptLogProbabilities !== undefined;
  }

  /** One more id. Log-probabilities are the model's own, before any mask. */
  #choose(row: Float32Array, choose: ChooseId) {
    const { constraint, logProbabilities: top } = this.request;
    const id = choose(row, this);
    const probabilities = top === undefined ? [] : [logProbabilitiesOf(row, id, top)];
    this.append(id);
    // An id that ends texts is no part of what a constraint speaks of.
    const stopped = this.stopIds.has(id);
    if (!stopped) constraint?.accept(id);
    return { ids: [id], probabilities, finish: this.#finish(stopped) };
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
