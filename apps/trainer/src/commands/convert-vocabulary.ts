import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ConversionTarget, OpenedModel, Vocabulary } from '@cria/checkpoint';
import { fail } from '@cria/tensor';
import {
  type GgufEntry,
  ggufVocabulary,
  parseTokenizer,
  SentencePieceTokenizer,
  serializeTokenizer,
  withoutPlaceholders,
} from '@cria/tokenizer';

/** Files of a model folder that go to another one as they are. */
const FOLDER_FILES = [
  'tokenizer.model',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
];

/** Where Hugging Face keeps the chat template. */
const CONFIG_FILE = 'tokenizer_config.json';

/**
 * The vocabulary of a model as the target wants it. From folder to folder the files stay as they
 * are; `onLoss` is told what a GGUF file cannot say of it.
 */
export async function vocabularyFor(
  to: ConversionTarget,
  model: OpenedModel,
  onLoss: (what: string) => void,
): Promise<Vocabulary> {
  const { tokenizerPath } = model;
  const tokenizer = withoutPlaceholders(model.tokenizer);
  const none = { files: new Map<string, Uint8Array>(), gguf: new Map<string, GgufEntry>() };
  if (to === 'gguf') return { ...none, gguf: ggufEntries(model, onLoss) };
  if (to === 'llama2c') return { ...none, files: serializeTokenizer(tokenizer, 'llama2c') };
  const kept = await filesBeside(tokenizerPath);
  if (to === 'hf')
    return { ...none, files: kept.size > 0 ? kept : huggingFaceFiles({ ...model, tokenizer }) };
  const file = kept.get('tokenizer.model');
  const whole = file && isSame(file, tokenizer);
  return {
    ...none,
    files: whole ? new Map([['tokenizer.model', file]]) : serializeTokenizer(tokenizer, ownFormat(tokenizer)),
  };
}

/** Whether these bytes alone give the same ids; tokens may have been added in files beside them. */
function isSame(bytes: Uint8Array, { fingerprint }: OpenedModel['tokenizer']): boolean {
  return parseTokenizer(bytes).fingerprint === fingerprint;
}

/** The file that a model of this kind was published with: pieces with scores, or byte ranks. */
function ownFormat(tokenizer: OpenedModel['tokenizer']): 'sentencepiece' | 'tiktoken' {
  return tokenizer instanceof SentencePieceTokenizer ? 'sentencepiece' : 'tiktoken';
}

/**
 * Hugging Face's `tokenizer.json`, and the original model beside it where there is one; at least
 * one of them.
 */
function huggingFaceFiles({ tokenizer, chatTemplate }: OpenedModel): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const reasons: string[] = [];
  for (const format of ['tokenizer.json', ownFormat(tokenizer)] as const) {
    try {
      for (const [name, bytes] of serializeTokenizer(tokenizer, format)) files.set(name, bytes);
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  if (files.size === 0)
    fail(
      'cria convert',
      `the vocabulary cannot be written: ${reasons.join(' ')}`,
      'give --no-tokenizer to leave it out',
    );
  if (chatTemplate !== undefined) {
    const config = files.get(CONFIG_FILE);
    const fields = config ? (JSON.parse(Buffer.from(config).toString()) as object) : {};
    const json = JSON.stringify({ ...fields, chat_template: chatTemplate }, null, 2);
    files.set(CONFIG_FILE, new TextEncoder().encode(`${json}\n`));
  }
  return files;
}

/** The vocabulary as entries of a GGUF header, which has a place for the template, too. */
function ggufEntries(
  { tokenizer, chatTemplate }: OpenedModel,
  onLoss: (what: string) => void,
): Map<string, GgufEntry> {
  const entries = new Map<string, GgufEntry>(ggufVocabulary(tokenizer, { onLoss }));
  if (chatTemplate !== undefined)
    entries.set('tokenizer.chat_template', { type: 'string', value: chatTemplate });
  return entries;
}

/** Files of a folder of vocabulary; a GGUF or llama2.c file has none beside it. */
async function filesBeside(from: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  if (from.endsWith('.gguf') || from.endsWith('.bin')) return files;
  const folder = statSync(from).isDirectory() ? from : dirname(from);
  for (const name of FOLDER_FILES) {
    const path = join(folder, name);
    if (existsSync(path)) files.set(name, new Uint8Array(await readFile(path)));
  }
  return files;
}
