/** Model folders in which the vocabulary stands in several files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { serializeTokenizer, TokenizerError, type Tokenizer } from '../src/index.ts';
import { loadTokenizer } from '../src/node.ts';
import { haveShared, sharedJson, sharedUrl } from './files.ts';
import { trainedBytes, trainedPieces } from './trained.ts';

const root = mkdtempSync(join(tmpdir(), 'cria-folders-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folder(files: Readonly<Record<string, string | object | Uint8Array>>): string {
  const path = mkdtempSync(join(root, 'model-'));
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(path, name), isText ? content : JSON.stringify(content));
  }
  return path;
}

type Files = ReadonlyMap<string, Uint8Array>;
const utf8 = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const all = { allowedSpecial: 'all' } as const;
const ids = (tokenizer: Tokenizer, text: string): number[] => Array.from(tokenizer.encode(text, all));

const pieces = trainedPieces();
const size = pieces.vocabSize;
const model = [...serializeTokenizer(pieces, 'sentencepiece').values()][0] as Uint8Array;
const json: Files = serializeTokenizer(pieces, 'tokenizer.json');
const text = utf8(json.get('tokenizer.json'));
const parsed = JSON.parse(text) as { added_tokens: object[]; model: { vocab: Record<string, number> } };

interface Added {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
  readonly lstrip?: boolean;
}
const withAdded = (...tokens: readonly Added[]): object => ({
  ...parsed,
  added_tokens: [
    ...parsed.added_tokens,
    ...tokens.map((token) => ({
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      ...token,
    })),
  ],
});
const START: Added = { id: size, content: '<|im_start|>', special: true };
const END: Added = { id: size + 1, content: '<|im_end|>', special: true };
const TOOL: Added = { id: size + 2, content: '<tool>', special: false };

const FAULT = 'faults/two-tokenizers-in-a-folder';
it.skipIf(!haveShared(FAULT))('takes the tokens that a tokenizer.json adds', async () => {
  const { text: sample, ids: expected } = sharedJson<{ text: string; ids: number[] }>(
    `${FAULT}/expected.json`,
  );
  const tokenizer = await loadTokenizer(fileURLToPath(sharedUrl(`${FAULT}/model`)));
  expect(ids(tokenizer, sample)).toEqual(expected);
  expect(tokenizer.specialTokens.get('<|im_end|>')).toBe(385);
  expect(tokenizer.decode([384], { skipSpecialTokens: false })).toBe('<|im_start|>');
});

describe('a tokenizer.model with additions', () => {
  const added = {
    '<|im_start|>': size,
    '<|im_end|>': size + 1,
    '<tool>': size + 2,
  };
  const decoder = Object.fromEntries([START, END, TOOL].map(({ id, ...token }) => [id, token]));
  const config = { eos_token: '<|im_end|>', added_tokens_decoder: decoder, add_bos_token: false };
  const special = { additional_special_tokens: ['<|im_start|>', '<|im_end|>'] };

  it.each([
    ['in tokenizer.json', { 'tokenizer.json': withAdded(START, END, TOOL) }],
    ['in added_tokens.json', { 'added_tokens.json': added, 'special_tokens_map.json': special }],
    ['in tokenizer_config.json', { 'tokenizer_config.json': config }],
    ['in both of these', { 'added_tokens.json': added, 'tokenizer_config.json': config }],
    ['in all of them', { 'tokenizer.json': withAdded(START, END, TOOL), 'tokenizer_config.json': config }],
  ])('knows those %s', async (_, files) => {
    const tokenizer = await loadTokenizer(folder({ 'tokenizer.model': model, ...files }));
    expect(tokenizer.vocabSize).toBe(size + 3);
    const [start, hi] = [ids(pieces, 'the llama'), ids(pieces, 'ran')];
    expect(ids(tokenizer, 'the llama<|im_start|>ran<tool>')).toEqual([...start, size, ...hi, size + 2]);
    // what is not special is read always, what is only where allowed
    const plain = Array.from(tokenizer.encode('a<tool><|im_end|>'));
    expect(plain).toContain(size + 2);
    expect(plain).not.toContain(size + 1);
    expect(tokenizer.decode([...start, size + 1])).toBe('the llama');
    expect(tokenizer.decode([...start, size + 1], { skipSpecialTokens: false })).toBe('the llama<|im_end|>');
    if ('tokenizer_config.json' in files) {
      expect(tokenizer.eosId).toBe(size + 1);
      expect(tokenizer.addsBos).toBe('tokenizer.json' in files); // there the post-processor says it
    }
  });

  it('has ids without a token where there are gaps, which decode to nothing', async () => {
    const path = folder({ 'tokenizer.model': model, 'added_tokens.json': { '<tool>': size + 2 } });
    const tokenizer = await loadTokenizer(path);
    expect(tokenizer.vocabSize).toBe(size + 3);
    expect(tokenizer.decode([size, size + 1])).toBe('');
    expect(ids(tokenizer, tokenizer.idToPiece(size))).not.toContain(size);
  });

  it('is the model itself where nothing is added', async () => {
    for (const files of [{}, Object.fromEntries(json)]) {
      const tokenizer = await loadTokenizer(folder({ 'tokenizer.model': model, ...files }));
      expect(tokenizer.fingerprint).toBe(pieces.fingerprint);
    }
  });

  it('needs no support for the rest of the tokenizer.json', async () => {
    const other = { ...withAdded(START), normalizer: { type: 'Nmt' } };
    const tokenizer = await loadTokenizer(folder({ 'tokenizer.model': model, 'tokenizer.json': other }));
    expect(ids(tokenizer, '<|im_start|>')).toEqual([size]);
    await expect(loadTokenizer(folder({ 'tokenizer.json': other }))).rejects.toThrow(
      'the normalizer {"type":"Nmt"} is not supported',
    );
  });
});

describe('files that contradict each other', () => {
  const swapped = { ...parsed, model: { ...parsed.model, vocab: { ...parsed.model.vocab } } };
  const [a, b] = [pieces.idToPiece(size - 1), pieces.idToPiece(size - 2)];
  [swapped.model.vocab[a], swapped.model.vocab[b]] = [size - 2, size - 1];

  it.each([
    [
      'about the id of an added token',
      {
        'tokenizer.model': model,
        'tokenizer.json': withAdded(START),
        'added_tokens.json': { '<|im_start|>': size + 7 },
      },
      `"<|im_start|>" has the id ${size} in tokenizer.json and ${size + 7} in the files beside it`,
    ],
    [
      'about the token of an id',
      { 'tokenizer.json': withAdded(START), 'added_tokens.json': { '<|im_end|>': size } },
      `the id ${size} is "<|im_start|>" in tokenizer.json and "<|im_end|>" in the files beside it`,
    ],
    [
      'about an added token that is a piece',
      { 'tokenizer.model': model, 'added_tokens.json': { [a]: size } },
      `${JSON.stringify(a)} has the id ${size - 1} in tokenizer.model and ${size} in the files beside it`,
    ],
    [
      'about a piece',
      { 'tokenizer.model': model, 'added_tokens.json': { '<tool>': size - 1 } },
      `the id ${size - 1} is ${JSON.stringify(a)} in tokenizer.model and "<tool>" in the files beside it`,
    ],
    [
      'about the order of pieces',
      { 'tokenizer.model': model, 'tokenizer.json': swapped },
      `in tokenizer.model and ${size - 1} in tokenizer.json`,
    ],
  ])('%s are refused', async (_, files, message) => {
    const failed = await loadTokenizer(folder(files)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(TokenizerError);
    expect((failed as Error).message).toContain(message);
    expect((failed as TokenizerError).hint).toContain('contradict each other');
  });
});

describe('a file of ranks beside a tokenizer.json', () => {
  const names = (names: readonly string[]) =>
    trainedBytes({ vocabSize: 310 + names.length, specialTokens: names });
  const guess = trainedBytes();
  const ranks = [...serializeTokenizer(guess, 'tiktoken').values()][0] as Uint8Array;

  it('has the special tokens that the tokenizer.json names', async () => {
    const real = names(['<|begin_of_text|>', '<|end_of_text|>', '<|mine|>']);
    const files = Object.fromEntries(serializeTokenizer(real, 'tokenizer.json'));
    const tokenizer = await loadTokenizer(folder({ 'tokenizer.model': ranks, ...files }));
    expect(tokenizer.fingerprint).toBe(real.fingerprint);
    const same = Object.fromEntries(serializeTokenizer(guess, 'tokenizer.json'));
    const both = await loadTokenizer(folder({ 'tokenizer.model': ranks, ...same }));
    expect(both.fingerprint).toBe(guess.fingerprint);
  });

  it('must have the same tokens', async () => {
    const other = trainedBytes({ vocabSize: 300 + 256 });
    const files = Object.fromEntries(serializeTokenizer(other, 'tokenizer.json'));
    const path = folder({ 'tokenizer.model': ranks, ...files });
    await expect(loadTokenizer(path)).rejects.toThrow('contradict each other');
  });
});
