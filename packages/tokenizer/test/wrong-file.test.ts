import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  describeWrongFile,
  parseTokenizer,
  readLlama2c,
  readSentencePieceModel,
  readTiktoken,
  readTokenizerJson,
  serializeTokenizer,
  type VocabularyFormat,
} from '../src/index.ts';
import { loadTokenizer } from '../src/node.ts';
import { haveShared, sharedBytes } from './files.ts';
import { trainedBytes, trainedPieces } from './trained.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-wrong-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'9e'.repeat(32)}\nsize 499723\n`;
const page = '\ufeff\n<!-- saved -->\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n';

const wrong: readonly (readonly [name: string, content: string, what: string, hint: string])[] = [
  ['Git LFS pointers', pointer, 'a Git LFS pointer to 499,723 bytes', 'git lfs pull'],
  ['pointers with Windows line ends', pointer.replaceAll('\n', '\r\n'), '499,723 bytes', 'git lfs pull'],
  ['pointers of the first version', pointer.replace('git-lfs', 'hawser'), '499,723 bytes', 'git lfs pull'],
  ['web pages', page, 'a web page', 'download the file itself'],
  ['small web pages', '<html>no</html>', 'a web page', 'download the file itself'],
  [
    'XML answers',
    '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    'an XML document',
    'login',
  ],
  ['answers of a hub', 'Entry not found', `a server's answer ("Entry not found")`, 'right address'],
  ['empty files', '', 'an empty file', 'fetch it again'],
];

describe.each(wrong)('%s', (_, content, what, hint) => {
  it('are named by every reader', () => {
    const bytes = utf8(content);
    expect(describeWrongFile(bytes)?.what).toContain(what);
    const readers: readonly (() => unknown)[] = [
      () => parseTokenizer(bytes),
      () => readSentencePieceModel(bytes),
      () => readTiktoken(bytes),
      () => readLlama2c(bytes),
      () => readTokenizerJson(content),
      ...(['sentencepiece', 'tiktoken', 'tokenizer.json', 'gguf', 'llama2c'] as const).map(
        (format) => () => parseTokenizer(bytes, { format }),
      ),
    ];
    for (const [i, read] of readers.entries()) {
      expect(read, `reader ${i}`).toThrow(what);
      expect(read, `reader ${i}`).toThrow(hint);
    }
    const json = new TextDecoder().decode(
      serializeTokenizer(trainedPieces(), 'tokenizer.json').get('tokenizer.json'),
    );
    expect(() => readTokenizerJson(json, { config: content })).toThrow(what);
  });

  it('are named with their path', async () => {
    const path = join(folder, 'tokenizer.model');
    writeFileSync(path, content);
    await expect(loadTokenizer(path)).rejects.toThrow(`(file: ${path})`);
    await expect(loadTokenizer(folder)).rejects.toThrow(what);
  });
});

it('finds nothing wrong with vocabularies of any format', () => {
  const formats: readonly VocabularyFormat[] = ['sentencepiece', 'tokenizer.json', 'gguf', 'llama2c'];
  for (const format of formats)
    for (const bytes of serializeTokenizer(trainedPieces(), format).values())
      expect(describeWrongFile(bytes)).toBeUndefined();
  for (const bytes of serializeTokenizer(trainedBytes(), 'tiktoken').values())
    expect(describeWrongFile(bytes)).toBeUndefined();
});

const FAULTS = 'faults/git-lfs-pointer';
it.skipIf(!haveShared(FAULTS))('names the files of a clone without Git LFS', () => {
  for (const name of ['model/tokenizer.model', 'model/model.safetensors', 'model.gguf'])
    expect(describeWrongFile(sharedBytes(`${FAULTS}/${name}`))?.what).toMatch(
      /^a Git LFS pointer to [\d,]+ bytes/,
    );
  expect(describeWrongFile(sharedBytes(`${FAULTS}/page.gguf`))?.what).toBe('a web page');
});
