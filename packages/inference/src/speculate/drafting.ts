import type { Proposer } from './proposer.ts';

/** Counts of all texts of an engine. */
export interface DraftFigures {
  /** Ids that went through the model on trial. */
  drafted: number;
  /** Those that were right. */
  accepted: number;
}

/** Drafts of one text: longer while they are right, shorter while they are not. */
export class Drafting {
  readonly #proposer: Proposer;
  readonly #most: number;
  readonly #figures: DraftFigures;
  #length: number;

  /** `most`: ids of one draft. */
  constructor(proposer: Proposer, most: number, figures: DraftFigures) {
    this.#proposer = proposer;
    this.#most = most;
    this.#figures = figures;
    this.#length = most;
  }

  draft(ids: Int32Array, room: number): Int32Array {
    const most = Math.min(this.#length, room);
    return Int32Array.from(this.#proposer.propose(ids, most)).subarray(0, most);
  }

  /** Of a draft so many were right. */
  learn(drafted: number, accepted: number): void {
    if (drafted === 0) return;
    this.#figures.drafted += drafted;
    this.#figures.accepted += accepted;
    this.#length = Math.min(this.#most, accepted === drafted ? this.#length * 2 : accepted + 1);
  }
}
