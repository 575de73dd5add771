import { symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatcher } from '@cria/data';
import { cutText } from '../src/cut.ts';
import { findFiles, walk } from '../src/walk.ts';
import { temporaryFolder, writeFiles } from './helpers.ts';

function names(folder: string, options: object = {}): string[] {
  return findFiles({ name: 's', paths: [folder], ...options }, 0).map(({ relative }) => relative);
}

describe('finding files', () => {
  it('sorts by path, keeps known extensions, skips hidden entries and node_modules', () => {
    const folder = writeFiles(temporaryFolder(), {
      'b.ts': 'b',
      'a/z.md': 'z',
      'a/Makefile': 'm',
      'A.txt': 'A',
      'x.jsonl.gz': '',
      'x.tar.gz': '',
      'image.png': '',
      '.git/config.ini': '',
      '.eslintrc.js': '',
      'node_modules/m/index.js': '',
    });
    expect(names(folder)).toEqual(['A.txt', 'a/Makefile', 'a/z.md', 'b.ts', 'x.jsonl.gz']);
    expect(names(folder, { extensions: ['.PNG', 'gz'] })).toEqual(['image.png', 'x.tar.gz']);
    expect(names(folder, { nodeModules: true, extensions: ['js'] })).toEqual(['node_modules/m/index.js']);
    expect(names(join(folder, 'node_modules'))).toEqual(['m/index.js']);
    expect(names(folder, { include: ['*.ts', 'a/**'] })).toEqual(['a/Makefile', 'a/z.md', 'b.ts']);
    expect(names(folder, { exclude: ['a', '*.gz'] })).toEqual(['A.txt', 'b.ts']);
    expect(names(join(folder, 'image.png'))).toEqual(['image.png']);
  });

  it('counts packages that pnpm links once, whichever way they are reached', () => {
    const folder = temporaryFolder();
    const store = 'node_modules/.pnpm/x@1/node_modules';
    writeFiles(folder, {
      [`${store}/x/index.js`]: 'x',
      [`${store}/y/index.js`]: 'y',
      'packages/z/index.js': 'z',
    });
    const link = (target: string, path: string) => symlinkSync(join(folder, target), join(folder, path));
    link(`${store}/x`, 'node_modules/x');
    link('packages/z', 'node_modules/z');
    link('node_modules', `${store}/x/loop`);
    link('nowhere', 'node_modules/broken');
    link(`${store}/x/index.js`, 'node_modules/alias.js');
    const wanted = ['.pnpm/x@1/node_modules/x/index.js', '.pnpm/x@1/node_modules/y/index.js', 'z/index.js'];
    expect(names(join(folder, 'node_modules'))).toEqual(wanted);
    const twice = findFiles(
      { name: 's', paths: [join(folder, 'node_modules'), join(folder, 'packages'), folder] },
      0,
    );
    expect(new Set(twice.map(({ path }) => path)).size).toBe(twice.length);
    expect(twice).toHaveLength(3);
  });

  it('takes another order for a byte limit: fixed by the seed', () => {
    const files = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`${String(i).padStart(2, '0')}.txt`, 'x']),
    );
    const folder = writeFiles(temporaryFolder(), files);
    const order = (seed: number) =>
      findFiles({ name: 's', paths: [folder], maxBytes: 9 }, seed).map(({ relative }) => relative);
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(order(1)).not.toEqual(names(folder));
    expect([...order(1)].sort()).toEqual(names(folder));
  });

  it('leaves out links that lead nowhere, and entries that go while it looks', () => {
    const folder = writeFiles(temporaryFolder(), { 'in/a.txt': 'a', 'in/b/c.txt': 'c', 'in/file': 'x' });
    const link = (target: string, name: string) => symlinkSync(target, join(folder, 'in', name));
    link('self', 'self');
    link('self.txt', 'self.txt');
    link('nowhere.txt', 'gone.txt');
    link('a.txt/below.txt', 'through-a-file.txt');
    link('..', 'round');
    link(`${'x'.repeat(300)}.txt`, 'too-long.txt');
    const { files, unreadable } = walk({ name: 'a', paths: [join(folder, 'in')] }, 0);
    expect(files.map(({ relative }) => relative)).toEqual(['a.txt', 'b/c.txt']);
    expect(unreadable.map((path) => basename(path))).toEqual(['too-long.txt']);
    const roots = ['in/self', 'in/gone.txt', 'in/through-a-file.txt'].map((name) => join(folder, name));
    for (const path of roots)
      expect(() => findFiles({ name: 'a', paths: [path] }, 0)).toThrow(
        `${path} does not exist. hint: check the path`,
      );
    const long = join(folder, 'in/too-long.txt');
    expect(() => findFiles({ name: 'a', paths: [long] }, 0)).toThrow(
      `[prepare] source "a": cannot look at ${long} (ENAMETOOLONG). hint`,
    );
  });

  it('says what is missing', () => {
    const folder = writeFiles(temporaryFolder(), { 'image.png': '' });
    expect(() => names(join(folder, 'absent'))).toThrow(/source "s": .*absent does not exist/);
    expect(() => names(folder)).toThrow(
      /source "s": no files in .*hint: check the paths, extensions and globs/,
    );
  });
});

describe('globs', () => {
  it.each([
    ['*.ts', 'a/b.ts', true],
    ['*.ts', 'a/b.tsx', false],
    ['src/*.ts', 'src/a.ts', true],
    ['src/*.ts', 'src/a/b.ts', false],
    ['src/**', 'src/a/b.ts', true],
    ['**/test/**', 'test/a.ts', true],
    ['**/test/**', 'a/b/test/c/d.ts', true],
    ['**/*.d.{ts,mts}', 'a/x.d.mts', true],
    ['**/*.d.{ts,mts}', 'a/x.d.cts', false],
    ['?.md', 'a/b.md', true],
    ['a+(b).md', 'a+(b).md', true],
    ['node_modules', 'a/node_modules', true],
  ])('%s against %s: %s', (pattern, path, wanted) => {
    expect(globMatcher([pattern])(path)).toBe(wanted);
  });
});

it('cuts long texts at line ends, inside no character, and loses nothing', () => {
  expect(cutText('aaaa\nbbbb\ncc', 8)).toEqual(['aaaa\n', 'bbbb\ncc']);
  expect(cutText('a\n'.repeat(4), 8)).toEqual(['a\n'.repeat(4)]);
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\n', '😀', 'é'), maxLength: 300 }),
      fc.integer({ min: 16, max: 64 }),
      (text, limit) => {
        const parts = cutText(text, limit);
        expect(parts.join('')).toBe(text);
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(limit);
          expect(Buffer.from(part).toString()).toBe(part);
        }
      },
    ),
  );
});
