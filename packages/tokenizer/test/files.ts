/** Reference files beside the repository; tests that need them skip with the reason where they are absent. */
import { existsSync, readFileSync } from 'node:fs';

const shared = new URL('../../../../shared/', import.meta.url);

export const hasShared = existsSync(shared);
export const why = hasShared ? '' : ' (skipped: no ../shared folder beside the repository)';

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
