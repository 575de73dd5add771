import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { heavySuites } from '../lib/heavy-suites.mjs';
import { importsOf } from '../lib/imports.mjs';
import { filesBelow, root, rooms } from '../lib/workspace.mjs';

/** What a file of tests and the files beside it that it imports look at. */
function lookedAt(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !existsSync(file)) return new Set();
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  const names = [...text.matchAll(/process\.env(?:\.|\[')(CRIA_\w+)/g)].map(([, name]) => name!);
  const found = new Set(names.filter((name) => /HEAVY|FUZZ|KILLS|MUTATIONS$/.test(name)));
  for (const { specifier } of importsOf(file))
    if (specifier.startsWith('.') && specifier.endsWith('.ts') && !specifier.includes('/src/'))
      for (const name of lookedAt(join(dirname(file), specifier), seen)) found.add(name);
  return found;
}

const named = (path: string) => relative(root, path).split(sep).join('/');
const tests = rooms().flatMap(({ folder }) =>
  [...filesBelow(join(folder, 'test'))].filter((path) => path.endsWith('.test.ts')),
);
const heavy = new Map(
  tests.map((path) => [named(path), lookedAt(path)] as const).filter(([, names]) => names.size > 0),
);

describe('the suites with a long form', () => {
  it('are all the files that have one, and no other', () => {
    const listed = Object.values(heavySuites).flatMap(({ files }) => files);
    // The page of the server has one form, which needs a browser.
    const alone = new Set(['apps/server/test/page.test.ts']);
    expect(new Set(listed.filter((file) => !alone.has(file)))).toEqual(new Set(heavy.keys()));
  });

  it.each(Object.entries(heavySuites))('%s sets what its files look at', (_, { files, env }) => {
    for (const file of files)
      for (const name of heavy.get(file) ?? []) expect(Object.keys(env), file).toContain(name);
  });
});
