/** Vocabularies in GGUF metadata: kinds of tokens, names of pre-tokenizers. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ByteLevelTokenizer,
  ggufVocabulary,
  parseTokenizer,
  PieceList,
  SentencePieceTokenizer,
  serializeTokenizer,
  tokenizerFromGguf,
  type GgufEntry,
} from '../src/index.ts';
import { loadTokenizer } from '../src/node.ts';
import { haveShared, sharedBytes, sharedJson } from './files.ts';
import { TEXTS, trainedGpt2, trainedPieces } from './trained.ts';

/** Merges alone make the tokens, as GPT-2 has it. */
const gpt2 = () => new ByteLevelTokenizer({ ...trainedGpt2().options, wholeChunks: false });

type Metadata = Map<string, GgufEntry>;
const KEY = 'tokenizer.ggml.';

function listOf(metadata: Metadata, name: string): (string | number)[] {
  const entry = metadata.get(KEY + name);
  return entry?.type === 'array' ? (Array.from(entry.value) as (string | number)[]) : []; // texts or numbers
}

/** The vocabulary with further tokens of these types. */
function extended(metadata: Metadata, tokens: readonly (readonly [text: string, type: number])[]): Metadata {
  const texts = [...listOf(metadata, 'tokens'), ...tokens.map(([text]) => text)] as string[];
  const types = [...listOf(metadata, 'token_type'), ...tokens.map(([, type]) => type)] as number[];
  const out = new Map(metadata);
  out.set(`${KEY}tokens`, { type: 'array', of: 'string', value: texts });
  out.set(`${KEY}token_type`, { type: 'array', of: 'i32', value: types });
  if (out.has(`${KEY}scores`)) {
    const scores = [...listOf(metadata, 'scores'), ...tokens.map(() => 0)] as number[];
    out.set(`${KEY}scores`, { type: 'array', of: 'f32', value: scores });
  }
  return out;
}

const FAULT = 'faults/gguf-unused-tokens/unused.gguf';
it.skipIf(!haveShared(FAULT))('reads the placeholder tokens of a file', () => {
  const tokenizer = parseTokenizer(sharedBytes(FAULT));
  expect(Array.from(tokenizer.encode('the'))).toEqual([257]);
  for (let id = 0; id < tokenizer.vocabSize; id++) expect(tokenizer.decode([id])).toBeDefined();
});

describe('tokens that are not normal', () => {
  const strange = ['<unused 1>', 'the', '日本 語', '[PAD151]', ' ', 'Ġthe llama'];

  it.each([2, 5, 6])(
    'of type %i in a byte-level vocabulary have any text, and no text gives them',
    (type) => {
      const plain = gpt2();
      const metadata = ggufVocabulary(plain);
      const own = strange.filter((text) => !listOf(metadata, 'tokens').includes(text));
      const tokenizer = tokenizerFromGguf(
        extended(
          metadata,
          own.map((text) => [text, type] as const),
        ),
      );
      for (const text of [...TEXTS, ...own]) {
        expect(tokenizer.encode(text, { allowedSpecial: 'all' }), JSON.stringify(text)).toEqual(
          plain.encode(text, { allowedSpecial: 'all' }),
        );
        const stream = tokenizer.decodeStream();
        expect(Array.from(own, (_, i) => stream.push(plain.vocabSize + i)).join('') + stream.end()).toBe(
          own.join(''),
        );
      }
      own.forEach((text, i) => {
        const id = plain.vocabSize + i;
        expect(tokenizer.decode([id])).toBe(text);
        expect(tokenizer.idToPiece(id)).toBe(text);
        expect(tokenizer.pieceToId(text)).toBe(id);
      });
      // and back into a file
      const again = tokenizerFromGguf(ggufVocabulary(tokenizer as ByteLevelTokenizer));
      expect(again.encode('the llama')).toEqual(tokenizer.encode('the llama'));
      expect(again.vocabSize).toBe(tokenizer.vocabSize);
    },
  );

  it('of type 5 among pieces are never made', () => {
    const plain = trainedPieces();
    const tokenizer = tokenizerFromGguf(
      extended(ggufVocabulary(plain), [
        ['▁the▁llama', 5],
        ['<unused 1>', 5],
      ]),
    );
    for (const text of [...TEXTS, 'the llama', '<unused 1>'])
      expect(tokenizer.encode(text)).toEqual(plain.encode(text));
  });

  it('of type 4 cut a text wherever they stand, and a dummy space follows them', () => {
    const plain = trainedPieces();
    const tokenizer = tokenizerFromGguf(extended(ggufVocabulary(plain), [['<tool>', 4]]));
    const the = Array.from(plain.encode('the'));
    expect(Array.from(tokenizer.encode('the<tool>the'))).toEqual([...the, plain.vocabSize, ...the]);
  });

  it('end texts under their usual names, whatever their type', () => {
    const plain = gpt2();
    const tokenizer = tokenizerFromGguf(extended(ggufVocabulary(plain), [['<|im_end|>', 1]]));
    expect(tokenizer.specialTokens.get('<|im_end|>')).toBe(plain.vocabSize);
    expect(tokenizer.encode('a<|im_end|>')).toEqual(plain.encode('a<|im_end|>'));
  });
});

describe('what a GGUF file cannot say', () => {
  const plain = gpt2();
  const token = { id: 300, content: '<mask>', special: true };
  const bytes = (more: object) => new ByteLevelTokenizer({ ...plain.options, ...more });
  const pieces = trainedPieces();

  it.each<[string, () => Parameters<typeof ggufVocabulary>[0], readonly string[]]>([
    [
      'flags of tokens',
      () => bytes({ addedTokens: [{ ...token, lstrip: true, rstrip: true }] }),
      ['that "<mask>" takes the white space before it', 'that "<mask>" takes the white space behind it'],
    ],
    [
      'words',
      () => bytes({ addedTokens: [{ id: 300, content: 'the', singleWord: true }] }),
      ['that "the" is found only as a word of its own'],
    ],
    [
      'normalizers',
      () => bytes({ normalizer: [{ type: 'NFC' }, { type: 'Strip', left: true, right: false }] }),
      ['the normalizer NFC', 'the normalizer Strip (true, false)'],
    ],
    [
      'normalizers of pieces, but those of spaces',
      () =>
        new SentencePieceTokenizer(pieces.model, {
          normalizer: [
            { type: 'Prepend', prepend: '▁' },
            { type: 'Replace', pattern: ' ', content: '▁' },
            { type: 'Lowercase' },
          ],
        }),
      ['the normalizer Lowercase'],
    ],
  ])('%s: refused by name, or told', (_, make, names) => {
    const tokenizer = make();
    expect(() => ggufVocabulary(tokenizer)).toThrow(`GGUF cannot say ${names[0]}`);
    expect(() => serializeTokenizer(tokenizer, 'gguf')).toThrow(`GGUF cannot say ${names[0]}`);
    const told: string[] = [];
    expect(ggufVocabulary(tokenizer, { onLoss: (what) => told.push(what) }).size).toBeGreaterThan(5);
    expect(told).toEqual(names);
  });

  it('is nothing of user-defined pieces, which are tokens of type 4', () => {
    const list = Array.from({ length: pieces.vocabSize }, (_, id) => pieces.model.pieces.at(id));
    const symbols = ['<tool>', '▁▁▁▁', 'qzq'].map((piece) => ({ piece, type: 4, score: 0 }));
    const tokenizer = SentencePieceTokenizer.fromPieces(PieceList.from([...list, ...symbols]));
    const [[, file]] = serializeTokenizer(tokenizer, 'gguf');
    const back = parseTokenizer(file);
    symbols.forEach(({ piece }, i) => {
      const id = pieces.vocabSize + i;
      expect(back.idToPiece(id)).toBe(piece.replaceAll('▁', ' '));
      expect(back.encode(piece.replaceAll('▁', ' '))).toContain(id);
    });
    for (const text of TEXTS)
      expect(back.decode(back.encode(text))).toBe(tokenizer.decode(tokenizer.encode(text)));
  });
});

describe('names of pre-tokenizers', () => {
  const metadata = ggufVocabulary(gpt2());
  const named = (pre: string, more: Metadata = new Map()) =>
    tokenizerFromGguf(
      new Map([...metadata, ...more, [`${KEY}pre`, { type: 'string', value: pre } as const]]),
    );

  it('decide how digits and spaces are cut', () => {
    const count = (pre: string, text: string): number => named(pre).encode(text).length;
    expect(count('gpt-2', '4242')).toBeLessThan(4); // "42" is a token
    expect(count('smollm', '4242')).toBe(4);
    expect(count('qwen2', '4242')).toBe(4);
    expect(count('default', '4242')).toBeLessThan(4);
  });

  it('are known as llama.cpp knows them, or refused with the nearest', () => {
    expect(() => named('smolm')).toThrow("did you mean 'smollm'?");
    const without = new Map([...metadata].filter(([key]) => key !== `${KEY}pre`));
    expect(tokenizerFromGguf(without).encode('the 42')).toEqual(named('default').encode('the 42'));
  });

  it('say with the file whether a text begins with BOS', () => {
    const bos = (value: boolean): Metadata => new Map([[`${KEY}add_bos_token`, { type: 'bool', value }]]);
    const bosId: Metadata = new Map([[`${KEY}bos_token_id`, { type: 'u32', value: 0 }]]);
    metadata.delete(`${KEY}add_bos_token`);
    expect(named('gpt-2', bosId).addsBos).toBe(false);
    expect(named('llama-bpe', bosId).addsBos).toBe(true);
    expect(named('llama-bpe', new Map([...bosId, ...bos(false)])).addsBos).toBe(false);
    expect(named('gpt-2', new Map([...bosId, ...bos(true)])).addsBos).toBe(true);
  });
});

/**
 * By the recipe in the shared data's README, into a cache outside the repository; the named scripts
 * fetch it.
 */
const SMOLLM2 = join(
  process.env['CRIA_ORACLE_FOLDER'] ?? join(homedir(), '.cache/cria-oracle'),
  'SmolLM2-135M-Instruct.Q4_1.gguf',
);
const EXPECTED = 'data/models/smollm2/expected.json';
it.skipIf(!existsSync(SMOLLM2) || !haveShared(EXPECTED))('gives the ids of SmolLM2', async () => {
  interface Case {
    readonly text: string;
    readonly parse_special: boolean;
    readonly ids: number[];
    readonly detokenized: string;
  }
  const tokenizer = await loadTokenizer(SMOLLM2);
  for (const { text, parse_special, ids, detokenized } of sharedJson<{ tokenize: Case[] }>(EXPECTED)
    .tokenize) {
    const allowedSpecial = parse_special ? 'all' : 'none';
    expect(Array.from(tokenizer.encode(text, { allowedSpecial })), JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(detokenized);
  }
  expect(tokenizer.addsBos).toBe(false);
});
