/** Files and threads: what the core leaves out so that it runs in a browser. */
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { serializeTokenizer } from './convert.ts';
import { CountingThreads } from './counting-threads.ts';
import { checkOptions, failure } from './errors.ts';
import { readGgufFront } from './gguf/front.ts';
import { isGguf } from './gguf/header.ts';
import type { GgufHeader } from './gguf/types.ts';
import { tokenizerFromGguf } from './gguf-vocabulary.ts';
import { detectFormat, parseTokenizer, type ParseOptions, type VocabularyFormat } from './parse.ts';
import type { ByteLevelTokenizer } from './byte-level.ts';
import { ByteLevelTrainer, type ByteLevelTrainerOptions } from './byte-level-trainer.ts';
import { SentencePieceTokenizer } from './sentencepiece.ts';
import {
  SentencePieceTrainer,
  type SentencePieceTrainerOptions,
  type TrainingProgress,
} from './sentencepiece-trainer.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { WordReader } from './word-reader.ts';

export type { ByteLevelTrainerOptions } from './byte-level-trainer.ts';
export type { SentencePieceTrainerOptions, TrainingProgress } from './sentencepiece-trainer.ts';

/** Characters between two reports while reading. */
const PROGRESS_STEP = 1 << 20;

/** Files looked for in a folder, the exact ones first. */
const FOLDER_FILES = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'];

/**
 * Reads a vocabulary file of any supported format, or the one in a model folder. `tokenizer_config.json` beside a tokenizer.json is
 * used. Throws when there is none or it cannot be read.
 */
export async function loadTokenizer(
  path: string,
  options: ParseOptions = {},
): Promise<SentencePieceTokenizer | ByteLevelTokenizer> {
  const file = await vocabularyFile(path);
  try {
    const gguf = await readGgufFile(file);
    if (gguf && (options.format ?? 'gguf') === 'gguf') return tokenizerFromGguf(gguf.metadata);
    const bytes = new Uint8Array(await readFile(file));
    const format = options.format ?? detectFormat(bytes);
    let { config } = options;
    if (format === 'tokenizer.json' && config === undefined)
      config = await readIfThere(join(dirname(file), 'tokenizer_config.json'));
    return parseTokenizer(bytes, { ...options, format, ...(config === undefined ? {} : { config }) });
  } catch (error) {
    throw new Error(`${(error as Error).message} (file: ${file})`, { cause: error });
  }
}

/**
 * Writes the vocabulary where nothing is lost. The format follows from the name (`.json`, `.gguf`, `.bin`, else the tokenizer's own
 * `tokenizer.model`); `tokenizer_config.json` goes beside a tokenizer.json. The file appears whole or not at all.
 */
export async function saveTokenizer(
  path: string,
  tokenizer: Tokenizer,
  options: { readonly format?: VocabularyFormat } = {},
): Promise<void> {
  checkOptions('saveTokenizer', options, ['format']);
  const format = options.format ?? formatOfName(path, tokenizer);
  const [[, main], ...others] = serializeTokenizer(tokenizer, format);
  for (const [name, bytes] of others) await writeWhole(join(dirname(path), name), bytes);
  await writeWhole(path, main);
}

export interface TrainingRun {
  /** Threads that count words, this one included. The vocabulary is the same at any number. Default 1. */
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

/** Trains SentencePiece BPE on texts that may be more than memory holds: only distinct words are kept. */
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

async function vocabularyFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw failure('loadTokenizer', `there is no file or folder ${path}`, 'check the path');
  if (!found.isDirectory()) return path;
  for (const name of FOLDER_FILES) {
    const file = join(path, name);
    if ((await stat(file).catch(() => undefined))?.isFile() === true) return file;
  }
  throw failure(
    'loadTokenizer',
    `the folder ${path} holds no vocabulary`,
    `looked for ${FOLDER_FILES.join(', ')}`,
  );
}

/** The header of a GGUF file, of which only the front is read: the rest may be a large model. Undefined for another file. */
async function readGgufFile(path: string): Promise<GgufHeader | undefined> {
  await using file = await open(path);
  const read = async (begin: number, end: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(end - begin);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, begin);
    return bytes.subarray(0, bytesRead);
  };
  if (!isGguf(await read(0, 4))) return undefined;
  return await readGgufFront((await file.stat()).size, read);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function formatOfName(path: string, tokenizer: Tokenizer): VocabularyFormat {
  if (path.endsWith('.json')) return 'tokenizer.json';
  if (path.endsWith('.gguf')) return 'gguf';
  if (path.endsWith('.bin')) return 'llama2c';
  return tokenizer instanceof SentencePieceTokenizer ? 'sentencepiece' : 'tiktoken';
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, bytes);
  await rename(temporary, path);
}
