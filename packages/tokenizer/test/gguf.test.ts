import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  GgufCutError,
  type GgufEntry,
  readGguf,
  serializeTokenizer,
  TokenizerError,
  writeGgufHeader,
} from '../src/index.ts';
import { loadTokenizer } from '../src/node.ts';
import { trainedPieces } from './trained.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('GGUF headers', () => {
  it('give back every type of value as it was written', () => {
    const metadata = new Map<string, GgufEntry>([
      ['u8', { type: 'u8', value: 255 }],
      ['i8', { type: 'i8', value: -128 }],
      ['u16', { type: 'u16', value: 65_535 }],
      ['i16', { type: 'i16', value: -32_768 }],
      ['u32', { type: 'u32', value: 4_294_967_295 }],
      ['i32', { type: 'i32', value: -2_147_483_648 }],
      ['f32', { type: 'f32', value: Math.fround(0.1) }],
      ['f64', { type: 'f64', value: 0.1 }],
      ['u64', { type: 'u64', value: 18_446_744_073_709_551_615n }],
      ['i64', { type: 'i64', value: -5 }],
      ['bool', { type: 'bool', value: true }],
      ['short', { type: 'string', value: 'a ▁ b' }],
      ['long', { type: 'string', value: 'é'.repeat(100_000) }],
      ['texts', { type: 'array', of: 'string', value: ['', 'x', '\u{1f999}'] }],
      ['numbers', { type: 'array', of: 'f32', value: Float32Array.of(1, -2, 0.5) }],
    ]);
    const tensors = [{ name: 'w', shape: [3, 5], type: 0, offset: 64 }];
    const header = readGguf(writeGgufHeader(metadata, tensors));
    expect(header.metadata).toEqual(metadata);
    expect(header.tensors).toEqual(tensors);
    expect(header.dataStart % 32).toBe(0);
  });

  it('are read from the front of a file larger than memory should hold', async () => {
    const path = join(folder, 'large.gguf');
    const tokenizer = trainedPieces();
    const [bytes = new Uint8Array()] = serializeTokenizer(tokenizer, 'gguf').values();
    writeFileSync(path, bytes);
    truncateSync(path, 2 ** 33); // sparse: it takes no room on the disk
    const before = process.memoryUsage().arrayBuffers;
    const loaded = await loadTokenizer(path);
    expect(loaded.fingerprint).toBe(tokenizer.fingerprint);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
  });

  it('allocate nothing for numbers that the data cannot hold', () => {
    const claim = writeGgufHeader(new Map([['x', { type: 'array', of: 'u8', value: new Uint8Array(1) }]]));
    new DataView(claim.buffer).setBigUint64(24 + 8 + 1 + 4 + 4, 2n ** 50n, true);
    expect(() => readGguf(claim)).toThrow(GgufCutError);
    expect(() => readGguf(claim, { fileSize: claim.length })).toThrow(TokenizerError);
    expect(() => readGguf(claim, { fileSize: claim.length })).toThrow('x: 1125899906842624 records');
  });
});
