/**
 * Reference files beside the repository. They are read inside tests that `haveShared` guards, for
 * any of them may be absent.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const shared = new URL('../../../../shared/', import.meta.url);

let told = false;

/** Whether all of these are there. Prints, once a test file, what is missing. */
export function haveShared(...paths: readonly string[]): boolean {
  const missing = paths.find((path) => !existsSync(sharedUrl(path)));
  if (missing === undefined) return true;
  if (!told) console.log(`skipped: ../shared/${missing} is not on this machine`);
  told = true;
  return false;
}

export const LLAMA2 = 'data/tokenizer/llama.tokenizer.model';
export const LLAMA3 = 'data/tokenizer/llama3.tokenizer.model';
export const GPT2 = 'data/tokenizer/gpt2.vocab.gguf';

export function sharedUrl(path: string): URL {
  return new URL(path, shared);
}

export function sharedBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(sharedUrl(path)));
}

export function sharedText(path: string): string {
  return readFileSync(sharedUrl(path), 'utf8');
}

export function sharedJson<T>(path: string): T {
  return JSON.parse(sharedText(path)) as T; // the caller states the shape of its fixture
}

/** Texts and ids of llama.cpp's `.inp` / `.out` pairs. */
export function publishedVectors(name: string): { text: string; ids: number[] }[] {
  const texts = sharedText(`data/tokenizer/${name}.inp`).split('\n__ggml_vocab_test__\n').slice(0, -1);
  const lines = sharedText(`data/tokenizer/${name}.out`).split('\n');
  if (lines.filter((line) => line !== '').length > texts.length)
    throw new Error(`${name}.out has more lines than ${name}.inp has texts`);
  return texts.map((text, i) => ({
    text,
    ids: (lines[i] ?? '').trim().split(/\s+/).filter(Boolean).map(Number),
  }));
}

/** Compares ids without the cost of an `expect` where they are equal. */
export function sameIds(got: ArrayLike<number>, expected: ArrayLike<number>): boolean {
  if (got.length !== expected.length) return false;
  for (let i = 0; i < got.length; i++) if (got[i] !== expected[i]) return false;
  return true;
}

/** Every folder of trained models in the fixtures; none where they are absent. */
export function modelFolders(): string[] {
  const root = 'fixtures/tokenizer';
  if (!haveShared(root)) return [];
  return readdirSync(sharedUrl(root))
    .map((name) => `${root}/${name}`)
    .filter((path) => existsSync(sharedUrl(`${path}/tokenizer.model`)));
}
