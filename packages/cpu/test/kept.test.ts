import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cacheFolder, keep, kept } from '../scripts/kept.mjs';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'cria kept '))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = (key: string) => join(folder, 'compiled', key);
const bytesOf = (length: number, value: number) => new Uint8Array(length).fill(value);

test('gives back what it keeps, and nothing under another key', () => {
  keep('one', bytesOf(1000, 7), { folder });
  expect(kept('one', folder)).toEqual(Buffer.from(bytesOf(1000, 7)));
  expect(kept('two', folder)).toBeUndefined();
});

test('an entry that is damaged, cut short or empty is dropped', () => {
  for (const damage of [
    (bytes: Buffer) => (bytes.writeUInt8(bytes[500]! ^ 1, 500), bytes),
    (bytes: Buffer) => bytes.subarray(0, 600),
    (bytes: Buffer) => bytes.subarray(0, 10),
    () => Buffer.alloc(0),
  ]) {
    keep('one', bytesOf(1000, 7), { folder });
    writeFileSync(entry('one'), damage(readFileSync(entry('one'))));
    expect(kept('one', folder)).toBeUndefined();
    expect(readdirSync(join(folder, 'compiled'))).toEqual([]);
  }
});

test('the entries that were not used for longest are dropped above the limit', () => {
  const limit = 5000; // four entries of 1,000 bytes and their hashes
  for (const [age, key] of ['a', 'b', 'c', 'd'].entries()) {
    keep(key, bytesOf(1000, age), { folder, limit });
    const at = new Date(Date.now() - 60_000 + age * 1000);
    utimesSync(entry(key), at, at);
  }
  kept('a', folder); // now the youngest
  keep('e', bytesOf(1000, 5), { folder, limit });
  expect(readdirSync(join(folder, 'compiled')).sort()).toEqual(['a', 'c', 'd', 'e']);
});

test('what a killed build left half-written goes after an hour', () => {
  keep('one', bytesOf(10, 1), { folder });
  for (const [name, minutes] of [['old.1.tmp', 61] as const, ['new.2.tmp', 5] as const]) {
    writeFileSync(entry(name), 'half');
    const at = new Date(Date.now() - minutes * 60_000);
    utimesSync(entry(name), at, at);
  }
  keep('two', bytesOf(10, 2), { folder });
  expect(readdirSync(join(folder, 'compiled')).sort()).toEqual(['new.2.tmp', 'one', 'two']);
});

test('a folder that cannot be written keeps nothing and disturbs nobody', () => {
  writeFileSync(join(folder, 'file'), '');
  keep('one', bytesOf(10, 1), { folder: join(folder, 'file') });
  expect(kept('one', join(folder, 'file'))).toBeUndefined();
});

describe('the folder', () => {
  test.each([
    [{ HOME: '/home/a' }, 'linux', '/home/a/.cache/cria'],
    [{ HOME: '/home/a', XDG_CACHE_HOME: '/var/a' }, 'linux', '/var/a/cria'],
    [{ HOME: '/home/a', XDG_CACHE_HOME: 'relative' }, 'linux', '/home/a/.cache/cria'],
    [{ HOME: '/Users/a', XDG_CACHE_HOME: '/x' }, 'darwin', '/Users/a/Library/Caches/cria'],
    [{ LOCALAPPDATA: '/c/local', USERPROFILE: '/c/a' }, 'win32', '/c/local/cria'],
    [{ HOME: '/home/a', CRIA_CACHE: '/elsewhere' }, 'linux', '/elsewhere'],
    [{ HOME: '/home/a', CRIA_CACHE: 'off' }, 'linux', undefined],
  ])('%o on %s', (environment, platform, place) => {
    expect(cacheFolder(environment, platform)).toBe(place);
  });
});
