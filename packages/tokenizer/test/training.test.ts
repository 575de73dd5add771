import { describe, expect, it } from 'vitest';
import {
  SentencePieceTrainer,
  writeSentencePieceModel,
  type SentencePieceTrainerOptions,
} from '../src/index.ts';
import { trainTokenizer } from '../src/node.ts';
import { haveShared, modelFolders, sharedJson, sharedText } from './files.ts';

interface TrainFile {
  readonly corpus_sha256: Record<string, string>;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

/** Flags of spm_train that are options here, by their names; the others must have the value that is built in. */
const OPTIONS: Readonly<Record<string, keyof SentencePieceTrainerOptions>> = {
  vocab_size: 'vocabSize',
  character_coverage: 'characterCoverage',
  max_sentencepiece_length: 'maxSentencepieceLength',
  max_sentence_length: 'maxSentenceLength',
  split_digits: 'splitDigits',
  split_by_unicode_script: 'splitByUnicodeScript',
  split_by_number: 'splitByNumber',
  allow_whitespace_only_pieces: 'allowWhitespaceOnlyPieces',
  byte_fallback: 'byteFallback',
  add_dummy_prefix: 'addDummyPrefix',
  unk_id: 'unkId',
  bos_id: 'bosId',
  eos_id: 'eosId',
  pad_id: 'padId',
  required_chars: 'requiredChars',
};
const BUILT_IN: Readonly<Record<string, string | number | boolean>> = {
  model_type: 'bpe',
  normalization_rule_name: 'identity',
  remove_extra_whitespaces: false,
  split_by_whitespace: true,
  treat_whitespace_as_suffix: false,
  unk_surface: ' ⁇ ',
  hard_vocab_limit: true,
  num_threads: 1,
  shuffle_input_sentence: false,
};

function optionsOf(flags: TrainFile['arguments']): SentencePieceTrainerOptions {
  const options: Record<string, string | number | boolean> = {};
  for (const [flag, value] of Object.entries(flags)) {
    const option = OPTIONS[flag];
    if (option === undefined) expect(value, flag).toBe(BUILT_IN[flag]);
    else options[option] = value;
  }
  return options;
}

function train(texts: readonly string[], options: SentencePieceTrainerOptions) {
  const trainer = new SentencePieceTrainer(options);
  for (const text of texts) trainer.add(text);
  return trainer.finish();
}

describe('training against spm_train', () => {
  if (modelFolders().length === 0) it.skip('its models (no vectors)');
  for (const folder of modelFolders()) {
    it.skipIf(!haveShared(`${folder}/train.json`, 'data/text'))(
      `${folder}: the same pieces in the same order with the same scores`,
      () => {
        const { corpus_sha256, arguments: flags } = sharedJson<TrainFile>(`${folder}/train.json`);
        const texts = Object.keys(corpus_sha256).map((file) => sharedText(`data/text/${file}`));
        const tokenizer = train(texts, optionsOf(flags));
        const expected = sharedText(`${folder}/tokenizer.vocab`).trimEnd().split('\n');
        const got = Array.from({ length: tokenizer.vocabSize }, (_, id) => {
          const { piece, score } = tokenizer.model.pieces.at(id);
          return `${piece}\t${Object.is(score, -0) ? '-0' : score}`;
        });
        expect(got).toEqual(expected);
      },
    );
  }
});

describe('training', () => {
  const words = Array.from(
    { length: 4000 },
    (_, i) => `${(i * 7919) % 613} the w${(i * i) % 97}${'xyz'[i % 3]} ${i % 5 === 0 ? '\n' : ''}größe naïve`,
  );

  it('gives the same vocabulary at any number of threads and any cut of the input', async () => {
    const options = { vocabSize: 300 };
    const texts = [words.join(' ').repeat(40)];
    const one = await trainTokenizer(texts, options);
    const two = await trainTokenizer(texts, { ...options, threads: 2 });
    const three = await trainTokenizer(texts[0].split('\n'), { ...options, threads: 3 });
    expect(two.fingerprint).toBe(one.fingerprint);
    expect(three.fingerprint).toBe(one.fingerprint);
    expect(Buffer.compare(writeSentencePieceModel(two.model), writeSentencePieceModel(one.model))).toBe(0);
    const text = words.slice(0, 50).join(' ');
    expect(one.decode(one.encode(text))).toBe(text);
  });

  it('passes an error of the input on and ends its threads', async () => {
    async function* broken(): AsyncGenerator<string> {
      yield 'some text';
      throw new Error('disk gone');
    }
    await expect(trainTokenizer(broken(), { threads: 2 })).rejects.toThrow('disk gone');
  });

  it('says how large a vocabulary the text can fill', () => {
    expect(() => train(['only a few words'], { vocabSize: 4000 })).toThrow(/yields only \d+ pieces/);
    expect(() => train([''], {})).toThrow('no text to train on');
    expect(() => train(['a'], { vocabSize: 200 })).toThrow('no room for');
    expect(() => train(['a'], { vocabSise: 200 } as SentencePieceTrainerOptions)).toThrow(
      "did you mean 'vocabSize'",
    );
  });

  it('keeps user-defined symbols whole and control symbols out of texts', () => {
    const tokenizer = train([words.join(' ')], {
      vocabSize: 296,
      userDefinedSymbols: ['<tool>', 'größe'],
      controlSymbols: ['<end>'],
    });
    const ids = Array.from(tokenizer.encode('the <tool> größe<end>'), (id) => tokenizer.idToPiece(id));
    expect(ids).toContain('<tool>');
    expect(ids).toContain('größe');
    expect(ids).not.toContain('<end>');
    expect(tokenizer.decode(tokenizer.encode('the <tool> größe<end>'))).toBe('the <tool> größe<end>');
  });
});
