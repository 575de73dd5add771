import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Checkpoint, ConversionTarget, Vocabulary } from '@cria/checkpoint';
import { fail } from '@cria/tensor';
import { type GgufEntry, ggufVocabulary, serializeTokenizer, type VocabularyFormat } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import type { AnyTokenizer } from './tokenizer-input.ts';

export interface FoundVocabulary {
  readonly tokenizer: AnyTokenizer;
  /** Where it came from, for people. */
  readonly from: string;
}

/** Files of a model folder that go to another one as they are. */
const FOLDER_FILES = [
  'tokenizer.model',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
];

/** The vocabulary that belongs to a checkpoint: named by the user, inside the GGUF, or beside the weights. */
export async function findVocabulary(
  checkpoint: Checkpoint,
  named: string | undefined,
): Promise<FoundVocabulary | undefined> {
  if (named !== undefined) return { tokenizer: await loadTokenizer(named), from: named };
  if (checkpoint.format === 'gguf') {
    if (!checkpoint.metadata.has('tokenizer.ggml.model')) return undefined;
    return { tokenizer: await loadTokenizer(checkpoint.path), from: checkpoint.path };
  }
  const folder = statSync(checkpoint.path).isDirectory() ? checkpoint.path : dirname(checkpoint.path);
  const name = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'].find((each) =>
    existsSync(join(folder, each)),
  );
  if (name === undefined) return undefined;
  return { tokenizer: await loadTokenizer(join(folder, name)), from: join(folder, name) };
}

/** The vocabulary as the target wants it. From folder to folder the files stay as they are. */
export async function vocabularyFor(
  to: ConversionTarget,
  { tokenizer, from }: FoundVocabulary,
): Promise<Vocabulary> {
  const none = { files: new Map<string, Uint8Array>(), gguf: new Map<string, GgufEntry>() };
  if (to === 'gguf') return { ...none, gguf: await ggufEntries(tokenizer, from) };
  if (to === 'llama2c') return { ...none, files: serializeTokenizer(tokenizer, 'llama2c') };
  const own: VocabularyFormat = 'pieces' in tokenizer || 'model' in tokenizer ? 'sentencepiece' : 'tiktoken';
  const kept = await filesBeside(from);
  if (to === 'meta') {
    const model = kept.get('tokenizer.model');
    return {
      ...none,
      files: model ? new Map([['tokenizer.model', model]]) : serializeTokenizer(tokenizer, own),
    };
  }
  if (kept.size > 0) return { ...none, files: kept };
  return { ...none, files: huggingFaceFiles(tokenizer, own) };
}

/** Hugging Face's `tokenizer.json`, and the original model beside it where there is one; at least one of them. */
function huggingFaceFiles(tokenizer: AnyTokenizer, own: VocabularyFormat): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const reasons: string[] = [];
  for (const format of ['tokenizer.json', own] as const) {
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
  return files;
}

async function ggufEntries(tokenizer: AnyTokenizer, from: string): Promise<Map<string, GgufEntry>> {
  const entries = new Map<string, GgufEntry>(ggufVocabulary(tokenizer));
  const config = (await filesBeside(from)).get('tokenizer_config.json');
  const template =
    config && (JSON.parse(Buffer.from(config).toString()) as { chat_template?: unknown }).chat_template;
  if (typeof template === 'string')
    entries.set('tokenizer.chat_template', { type: 'string', value: template });
  return entries;
}

async function filesBeside(from: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  if (from.endsWith('.gguf') || from.endsWith('.bin')) return files;
  for (const name of FOLDER_FILES) {
    const path = join(dirname(from), name);
    if (existsSync(path)) files.set(name, new Uint8Array(await readFile(path)));
  }
  return files;
}
