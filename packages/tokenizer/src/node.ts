/** Files and threads: what the core leaves out so that it runs in a browser. */
export { loadTokenizer, saveTokenizer } from './formats/files.ts';
export {
  trainByteLevel,
  trainTokenizer,
  type TimedProgress,
  type TrainByteLevelOptions,
  type TrainingRun,
  type TrainTokenizerOptions,
} from './training/train.ts';
export type { ByteLevelTrainerOptions } from './training/byte-level-trainer.ts';
export type { TrainingProgress } from './training/progress.ts';
export type { SentencePieceTrainerOptions } from './training/sentencepiece-trainer.ts';
