/**
 * Trains byte-level BPE vocabularies of the Llama 3 form: ranks over bytes behind a split pattern,
 * special tokens after them.
 */
import { BYTE_ORDER, ByteBpeTrainer, type ByteTrainingText } from './byte-bpe-trainer.ts';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { ChunkReader } from './chunk-reader.ts';
import { checkOptions, failure } from '../errors.ts';
import type { TrainingProgress } from './progress.ts';
import { LLAMA3_PATTERN } from '../byte-level/patterns.ts';
import { llama3SpecialTokens, tokenizerOfRanks } from '../formats/tiktoken.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import type { WordCounts } from './word-counter.ts';

export interface ByteLevelTrainerOptions {
  /** Ids of the finished vocabulary, special tokens included. Default 128256, as Llama 3. */
  readonly vocabSize?: number;
  /**
   * Special tokens, whose ids come last. Default: the 256 of Llama 3.1, so that a tiktoken file of
   * the ranks is complete.
   */
  readonly specialTokens?: readonly string[];
  /** What cuts a text before merging, in tiktoken's dialect. Default: Llama 3's. */
  readonly pattern?: string;
}

const OP = 'trainByteLevel';
const PROGRESS_STEP = 256;

export class ByteLevelTrainer {
  readonly reader: ChunkReader;
  readonly #ranks: number;
  readonly #specialTokens: readonly string[];

  constructor(options: ByteLevelTrainerOptions = {}) {
    checkOptions(OP, options, ['vocabSize', 'specialTokens', 'pattern']);
    const { vocabSize = 128256, specialTokens = llama3SpecialTokens(), pattern = LLAMA3_PATTERN } = options;
    this.#specialTokens = specialTokens;
    this.#ranks = vocabSize - specialTokens.length;
    if (!Number.isInteger(vocabSize) || this.#ranks < 256)
      throw failure(
        OP,
        `vocabSize is ${vocabSize}, with ${specialTokens.length} special tokens`,
        `give a whole number of at least ${256 + specialTokens.length}: every byte is a token`,
      );
    if (new Set(specialTokens).size < specialTokens.length || specialTokens.includes(''))
      throw failure(OP, 'a special token is empty or given twice', 'name each once');
    this.reader = new ChunkReader({ pattern });
  }

  /** Adds one text (a document: no chunk reaches from one text into the next). */
  add(text: string): void {
    this.reader.add(text);
  }

  /** Makes the vocabulary. Throws when the text cannot fill it, with the largest possible size. */
  finish(onProgress?: (progress: TrainingProgress) => void): ByteLevelTokenizer {
    const ranks = this.#ranks;
    const specialTokens = this.#specialTokens;
    const trainer = new ByteBpeTrainer(layOut(this.reader.words.finish()));
    const { tokens } = trainer;
    const total = ranks - 256;
    let told = 0;
    while (tokens.length < ranks) {
      if (!trainer.next()) {
        const most = tokens.length + specialTokens.length;
        throw failure(
          OP,
          `the text yields only ${most} tokens, not ${ranks + specialTokens.length}`,
          `train on more text, or ask for a vocabSize of at most ${most}`,
        );
      }
      const done = tokens.length - 256;
      if (done - told < PROGRESS_STEP) continue;
      told = done;
      onProgress?.({ phase: 'merging', done, total });
    }
    onProgress?.({ phase: 'merging', done: total, total });
    const { pool, offsets } = TokenBytes.from(
      tokens.map((token) => Uint8Array.from(token, (character) => character.charCodeAt(0))),
    );
    return tokenizerOfRanks(pool, offsets, specialTokens, this.reader.options.pattern);
  }
}

/** All words in one row of cells, −1 between them. */
function layOut({ pool, offsets, counts }: WordCounts): ByteTrainingText {
  const ids = new Int32Array(256);
  BYTE_ORDER.forEach((byte, id) => (ids[byte] = id));
  const cells = new Int32Array(pool.length + counts.length + 1).fill(-1);
  const weights = new Float64Array(cells.length);
  let end = 1;
  for (let word = 0; word < counts.length; word++) {
    for (let at = offsets[word]; at < offsets[word + 1]; at++) {
      weights[end] = counts[word];
      cells[end++] = ids[pool[at]];
    }
    end++;
  }
  return { cells, weights };
}
