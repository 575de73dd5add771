import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'vitest';

/** Vectors that PyTorch and gguf computed; they lie beside the repository on machines that have them. */
const folder = new URL('../../../../../shared/fixtures/', import.meta.url);

/** `describe` for tests that need the fixtures; skipped with a reason elsewhere. */
export function describeFixtures(name: string, run: () => void): void {
  if (existsSync(folder)) return void describe(name, run);
  // What is skipped is collected nevertheless, and `run` lists its cases from files that are not there.
  console.log(`${name} skipped: ${folder.pathname} is not on this machine`);
  test.skip(`${name} (no folder ${folder.pathname})`);
}

export interface Stored {
  readonly shape: number[];
  readonly data: Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array;
}

const arrays = { F64: Float64Array, F32: Float32Array, I32: Int32Array, U16: Uint16Array, U8: Uint8Array };

/** Reads a safetensors file: eight bytes of header length, a JSON header, then the data. */
export function fixture(path: string): Record<string, Stored> {
  const file = readFileSync(new URL(path, folder));
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
  return JSON.parse(readFileSync(new URL(`${name}/index.json`, folder), 'utf8'));
}
