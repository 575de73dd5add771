import { describe, expect, it } from 'vitest';
import { SentencePieceTrainer, type SentencePieceTrainerOptions } from '../src/index.ts';
import { hasShared, sharedJson, sharedText, why } from './files.ts';

interface TrainFile {
  readonly corpus_sha256: Record<string, string>;
  readonly arguments: { readonly vocab_size: number; readonly character_coverage: number };
}

function train(texts: readonly string[], options: SentencePieceTrainerOptions) {
  const trainer = new SentencePieceTrainer(options);
  for (const text of texts) trainer.add(text);
  return trainer.finish();
}

describe.skipIf(!hasShared)(`training against spm_train${why}`, () => {
  it.each(['english-512', 'mixed-2000'])('%s: the same pieces in the same order with the same scores', (name) => {
    const folder = `fixtures/tokenizer/${name}`;
    const { corpus_sha256, arguments: flags } = sharedJson<TrainFile>(`${folder}/train.json`);
    const texts = Object.keys(corpus_sha256).map((file) => sharedText(`data/text/${file}`));
    const tokenizer = train(texts, { vocabSize: flags.vocab_size, characterCoverage: flags.character_coverage });
    const expected = sharedText(`${folder}/tokenizer.vocab`).trimEnd().split('\n');
    const got = Array.from({ length: tokenizer.vocabSize }, (_, id) => {
      const { piece, score } = tokenizer.model.pieces.at(id);
      return `${piece}\t${Object.is(score, -0) ? '-0' : score}`;
    });
    expect(got).toEqual(expected);
  });
});
