import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { explain, isRunning, temporarySuffix, writeFileAtomic, writerOf, writeWhole } from '../src/index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cria-files-'));
});

const piece = (length: number, value: number) => new Uint8Array(length).fill(value);

describe('writeFileAtomic', () => {
  it('writes all pieces in their order, with the hash of the whole', async () => {
    const pieces = Array.from({ length: 20 }, (_, i) => piece(1000 * i, i));
    const path = join(folder, 'a');
    const { bytes, sha256 } = await writeFileAtomic('test', path, pieces);
    const whole = Buffer.concat(pieces);
    expect(readFileSync(path).equals(whole)).toBe(true);
    expect([bytes, sha256]).toEqual([whole.length, createHash('sha256').update(whole).digest('hex')]);
    expect(await writeFileAtomic('test', path, [], false)).toEqual({ bytes: 0, sha256: '' });
  });

  it('leaves the old file and nothing beside it where the source fails', async () => {
    const path = join(folder, 'a');
    writeFileSync(path, 'old');
    async function* broken() {
      yield piece(10, 1);
      throw new Error('no more');
    }
    await expect(writeFileAtomic('test', path, broken())).rejects.toThrow('no more');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('says what to do about a refusal of the system', async () => {
    const missing = writeFileAtomic('test', join(folder, 'none/a'), []);
    await expect(missing).rejects.toThrow(
      /^\[test\] cannot write .*none\/a \(ENOENT\)\. hint: the folder does not exist$/,
    );
    expect(explain('test', 'cannot', new Error('another'))).toEqual(new Error('another'));
  });
});

describe('writeWhole', () => {
  it('replaces a file, and leaves the old one where it cannot', () => {
    const path = join(folder, 'a');
    writeWhole(path, 'one');
    writeWhole(path, Buffer.from('two'));
    expect(readFileSync(path, 'utf8')).toBe('two');
    mkdirSync(join(folder, 'b'));
    writeFileSync(join(folder, 'b/full'), '');
    expect(() => writeWhole(join(folder, 'b'), 'a file')).toThrow();
    expect(readdirSync(folder).sort()).toEqual(['a', 'b']);
  });

  it.skipIf(process.platform === 'win32')('keeps what a reader has open as it was', () => {
    const path = join(folder, 'a');
    writeWhole(path, 'one');
    chmodSync(path, 0o400); // a rename does not write into the old file
    writeWhole(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
  });
});

it('temporaries tell their process, and whether it is there', () => {
  const name = `model${temporarySuffix()}`;
  expect(writerOf(name)).toBe(process.pid);
  expect(temporarySuffix()).not.toBe(temporarySuffix());
  for (const other of ['model', 'model.tmp', 'model.tmp-x-1', `${name}.more`])
    expect(writerOf(other)).toBeUndefined();
  expect(isRunning(process.pid)).toBe(true);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  expect(isRunning(pid)).toBe(false);
});
