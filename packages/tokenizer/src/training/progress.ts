export interface TrainingProgress {
  readonly phase: 'reading' | 'merging';
  /** Reading: UTF-16 units of text so far. Merging: pieces made so far. */
  readonly done: number;
  /** Merging: pieces to make. Reading: undefined where the length of the texts is unknown. */
  readonly total: number | undefined;
}
