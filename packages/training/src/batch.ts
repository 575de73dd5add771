/** Rows of several samples laid end to end: what one forward pass takes. `TokenDataset` of `@cria/data` makes them. */
export interface Batch {
  /** [rows] */
  readonly tokens: Int32Array;
  /** What each row must predict; −100 counts nothing.          [rows] */
  readonly targets: Int32Array;
  /** How much the loss of each row counts, 0 or more; default 1.   [rows] */
  readonly weights?: Float32Array;
  /** First row of each packed document, and rows at the end.    [S + 1] */
  readonly segments: Int32Array;
}

/** Samples by number: a pure function of the counter, so that the counter is all a resumed run needs to know. */
export interface TrainingSource {
  /** Tokens of one sample. */
  readonly contextLength: number;
  /** Ids are below this; where it is given, a model with a smaller vocabulary is refused before the first step. */
  readonly vocabSize?: number;
  /** `size` samples from number `position` on. */
  batch(position: number, size: number): Batch;
}

/** A fixed list of windows, the same at every evaluation. */
export interface ValidationSource {
  readonly contextLength: number;
  readonly vocabSize?: number;
  /** How many samples there are. */
  readonly length: number;
  batch(position: number, size: number): Batch;
}
