/** What the tokenizer verbs share: which tokenizer, and which texts. */
import { existsSync, readFileSync } from 'node:fs';
import type { Options } from '@cria/cli';
import { fail } from '@cria/tensor';
import type { loadTokenizer } from '@cria/tokenizer/node';

/** A tokenizer with the facts of its kind, which the plain interface does not have. */
export type AnyTokenizer = Awaited<ReturnType<typeof loadTokenizer>>;

/** Flags of every command that reads a tokenizer. */
export const inputFlags = {
  tokenizer: {
    takes: 'text',
    value: 'FILE',
    help: 'tokenizer.model, tokenizer.json, .gguf, tokenizer.bin, or a model folder',
    required: 'name a tokenizer.model, tokenizer.json, .gguf or .bin',
  },
  text: { takes: 'text', value: 'TEXT', help: 'a text instead of files' },
} as const satisfies Options;

/** A text with what to call it in tables. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** --text, else the named files, else what is piped in. */
export function textsOf(verb: string, text: string | undefined, files: readonly string[]): NamedText[] {
  if (text !== undefined) {
    if (files.length > 0) fail(`cria ${verb}`, 'both --text and files are given.', 'give one of them');
    return [{ name: 'text', text }];
  }
  if (files.length > 0) {
    const missing = files.find((file) => !existsSync(file));
    if (missing !== undefined) fail(`cria ${verb}`, `${missing} does not exist.`, 'check the path');
    return files.map((file) => ({ name: file, text: readFileSync(file, 'utf8') }));
  }
  if (process.stdin.isTTY)
    fail(`cria ${verb}`, 'there is no text.', 'name a file, give --text, or pipe a text in');
  return [{ name: 'input', text: readFileSync(0, 'utf8') }];
}
