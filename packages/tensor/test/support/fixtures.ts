import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { hasVectors, readVectorJson, vectors } from '../../../../scripts/support/vectors.ts';

/**
 * `describe` for tests over a folder of vectors that PyTorch and gguf computed; skipped with a
 * reason where there is none.
 */
export function describeFixtures(folder: string, run: () => void): void {
  if (hasVectors(folder)) return void describe(folder, run);
  // What is skipped is collected nevertheless, and `run` lists its cases from files that are not there.
  console.log(`${folder} skipped: ${vectors.pathname} has no such folder`);
  test.skip(`${folder} (no vectors)`);
}

export interface Stored {
  readonly shape: number[];
  readonly data: Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;
}

const arrays = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U16: Uint16Array, U8: Uint8Array };

/** Reads a safetensors file: eight bytes of header length, a JSON header, then the data. */
export function fixture(path: string): Record<string, Stored> {
  const file = readFileSync(new URL(path, vectors));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: keyof typeof arrays; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors: Record<string, Stored> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [start, end] = entry.data_offsets;
    const bytes = new Uint8Array(file.subarray(8 + length + start, 8 + length + end));
    tensors[name] = { shape: entry.shape, data: new arrays[entry.dtype](bytes.buffer) };
  }
  return tensors;
}

export function fixtureIndex(name: string): Record<string, Record<string, unknown>> {
  return readVectorJson(`${name}/index.json`);
}
