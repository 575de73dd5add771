/** Small vocabularies of both kinds, trained here: tests with them need no file. */
import { ByteLevelTrainer, GPT2_PATTERN, SentencePieceTrainer } from '../src/index.ts';
import type { ByteLevelTokenizer, ByteLevelTrainerOptions, SentencePieceTokenizer } from '../src/index.ts';

/** What they are trained on. */
export const SAMPLE =
  'The llama and the 42 alpacas: "größe", 日本語 and more — the llama ran.\n\tif (x === 1) return;\n'.repeat(
    8,
  );

export function trainedPieces(): SentencePieceTokenizer {
  const trainer = new SentencePieceTrainer({ vocabSize: 380 });
  trainer.add(SAMPLE);
  return trainer.finish();
}

/** With the split pattern and special tokens of Llama 3.1, where the options say nothing else. */
export function trainedBytes(options: ByteLevelTrainerOptions = {}): ByteLevelTokenizer {
  const trainer = new ByteLevelTrainer({
    vocabSize: 310 + (options.specialTokens?.length ?? 256),
    ...options,
  });
  trainer.add(SAMPLE);
  return trainer.finish();
}

export function trainedGpt2(): ByteLevelTokenizer {
  return trainedBytes({ pattern: GPT2_PATTERN, specialTokens: ['<|endoftext|>'] });
}

/** Texts that hold what the sample lacks, too. */
export const TEXTS = [
  '',
  ' ',
  SAMPLE,
  'the llama',
  '  two  spaces\r\n\n\tand tabs ',
  "It's 123456 größe 🦙👩‍👩‍👧 日本 ▁x\0",
  '<s></s><|eot_id|><|endoftext|>[INST] zzzzzzzz ====',
  'x===== ======= llllllllllll, aaaaa',
  'e\u0301 \u00a0\u3000\ufeff ﬁ',
];
