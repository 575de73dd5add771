import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Tokenizer } from '@cria/tokenizer';
import { onTestFinished } from 'vitest';

/** An empty folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cria-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below a folder, by relative path. */
export function writeFiles(folder: string, files: Record<string, string | Uint8Array>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

export function have(path: string): boolean {
  const found = existsSync(path);
  if (!found) console.log(`skipped: ${path} is not on this machine`);
  return found;
}

export const BOS = 1;
export const EOS = 2;

/** One token a byte: id = byte + 3. What `prepare` needs of a tokenizer, and decoding. */
export function byteTokenizer(changes: Partial<Tokenizer> = {}): Tokenizer {
  const encode: Tokenizer['encode'] = (text, { addBos = false, addEos = false } = {}) =>
    Int32Array.from(
      [
        ...(addBos ? [BOS] : []),
        ...Buffer.from(text)
          .map((byte) => byte)
          .values(),
        ...(addEos ? [EOS] : []),
      ].map((id, i, all) => {
        const special = (addBos && i === 0) || (addEos && i === all.length - 1);
        return special ? id : id + 3;
      }),
    );
  const unused = () => {
    throw new Error('not needed here');
  };
  return {
    vocabSize: 259,
    bosId: BOS,
    eosId: EOS,
    unkId: undefined,
    padId: undefined,
    specialTokens: new Map(),
    addsBos: true,
    addsEos: false,
    fingerprint: '0123456789abcdef0123456789abcdef',
    encode,
    encodeBatch: (texts, options) => texts.map((text) => encode(text, options)),
    countTokens: (text) => Buffer.byteLength(text),
    encodeWithOffsets: unused,
    decode: (ids) => Buffer.from(Array.from(ids, (id) => id - 3).filter((byte) => byte >= 0)).toString(),
    decodeStream: unused,
    idToPiece: unused,
    pieceToId: unused,
    tokenBytes: unused,
    ...changes,
  };
}
