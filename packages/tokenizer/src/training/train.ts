/** Training on streams of texts with threads that count words. */
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { failure } from '../errors.ts';
import type { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { ByteLevelTrainer, type ByteLevelTrainerOptions } from './byte-level-trainer.ts';
import { CountingThreads } from './counting-threads.ts';
import type { TrainingProgress } from './progress.ts';
import { SentencePieceTrainer, type SentencePieceTrainerOptions } from './sentencepiece-trainer.ts';
import type { WordReader } from './word-reader.ts';

/** Characters between two reports while reading. */
const PROGRESS_STEP = 1 << 20;

export interface TrainingRun {
  /**
   * Threads that count words, this one included. The vocabulary is the same at any number. Default
   * 1.
   */
  readonly threads?: number;
  /** Told while reading and while merging. */
  readonly onProgress?: (progress: TimedProgress) => void;
  /** Length of all texts in UTF-16 units where it is known: reading then has a total, too. */
  readonly expectedLength?: number;
  /** A clock in seconds, for the time that is left. Default: performance.now. */
  readonly now?: () => number;
}

export interface TimedProgress extends TrainingProgress {
  /** Seconds to the end of this phase at the pace so far; undefined where its total is unknown. */
  readonly secondsLeft: number | undefined;
}

export interface TrainTokenizerOptions extends SentencePieceTrainerOptions, TrainingRun {}
export interface TrainByteLevelOptions extends ByteLevelTrainerOptions, TrainingRun {}

/**
 * Trains SentencePiece BPE on texts that may be more than memory holds: only distinct words are
 * kept.
 */
export async function trainTokenizer(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainTokenizerOptions = {},
): Promise<SentencePieceTokenizer> {
  const { threads, onProgress, expectedLength, now, ...rest } = options;
  const trainer = new SentencePieceTrainer(rest);
  return train('trainTokenizer', trainer, texts, { threads, onProgress, expectedLength, now });
}

/** Trains byte-level BPE of the Llama 3 form, likewise. Every text is a document of its own. */
export async function trainByteLevel(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainByteLevelOptions = {},
): Promise<ByteLevelTokenizer> {
  const { threads, onProgress, expectedLength, now, ...rest } = options;
  const trainer = new ByteLevelTrainer(rest);
  return train('trainByteLevel', trainer, texts, { threads, onProgress, expectedLength, now });
}

interface Trainer<T> {
  readonly reader: WordReader;
  finish(onProgress?: (progress: TrainingProgress) => void): T;
}

async function train<T>(
  op: string,
  trainer: Trainer<T>,
  texts: Iterable<string> | AsyncIterable<string>,
  run: { readonly [K in keyof TrainingRun]: TrainingRun[K] | undefined },
): Promise<T> {
  const { threads = 1, expectedLength, now = () => performance.now() / 1000 } = run;
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    throw failure(op, `threads is ${threads}`, 'give a number from 1 to 256');
  let start = now();
  const tell = (progress: TrainingProgress): void => {
    const { done, total } = progress;
    const left =
      total === undefined || done === 0 ? undefined : ((now() - start) / done) * Math.max(0, total - done);
    run.onProgress?.({ ...progress, secondsLeft: left });
  };
  const counting = new CountingThreads(trainer.reader, threads);
  let done = 0;
  let told = 0;
  try {
    for await (const text of texts) {
      await counting.add(text);
      done += text.length;
      if (done - told >= PROGRESS_STEP) {
        told = done;
        tell({ phase: 'reading', done, total: expectedLength });
      }
    }
    await counting.finish();
  } catch (error) {
    await counting.stop();
    throw error;
  }
  start = now();
  return trainer.finish(tell);
}
