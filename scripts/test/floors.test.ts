import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { importProblems, importsOf, packageName } from '../lib/imports.mjs';
import { includeProblems } from '../lib/includes.mjs';
import { rooms } from '../lib/workspace.mjs';

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

type Package = {
  files: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: object;
  peerDependencies?: object;
};

/** Writes a workspace of the given packages and returns what the check says about it. */
function problemsOf(packages: Record<string, Package>, rootDevDependencies: string[] = ['vitest']): string[] {
  const root = mkdtempSync(join(tmpdir(), 'cria-floors-'));
  folders.push(root);
  for (const [path, { files, ...declared }] of Object.entries(packages)) {
    const manifest = { name: `@cria/${path.split('/')[1]}`, version: '0.0.0', ...declared };
    for (const [name, text] of Object.entries({ ...files, 'package.json': JSON.stringify(manifest) })) {
      mkdirSync(dirname(join(root, path, name)), { recursive: true });
      writeFileSync(join(root, path, name), text);
    }
  }
  const found = rooms(root);
  return [...importProblems(found, { root, rootDevDependencies }), ...includeProblems(found, { root })];
}

const attention = { files: { 'src/index.ts': 'export const a = 1;' } };
const uses = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'workspace:^']));

test('a package may import lower floors, itself, and what it declares', () => {
  const tensor = {
    files: {
      'src/index.ts': `import { a } from '@cria/attention';\nimport fs from 'node:fs';\nexport * from './b.ts';`,
      'src/b.ts': `export const b: typeof import('@cria/attention').a = 1;`,
      'test/a.test.ts': `import { test } from 'vitest';\nimport * as self from '@cria/tensor';`,
    },
    dependencies: uses('@cria/attention'),
  };
  expect(problemsOf({ 'packages/attention': attention, 'packages/tensor': tensor })).toEqual([]);
});

test('an import of a higher floor is a problem, in sources and in tests', () => {
  const low = {
    files: {
      'src/index.ts': `\nimport { t } from '@cria/tensor';`,
      'test/a.test.ts': `const t = await import('@cria/tensor');`,
    },
    dependencies: uses('@cria/tensor'),
  };
  expect(problemsOf({ 'packages/attention': low, 'packages/tensor': attention })).toEqual([
    'packages/attention/src/index.ts:2: @cria/tensor is on floor 1, above attention on floor 0',
    'packages/attention/test/a.test.ts:1: @cria/tensor is on floor 1, above attention on floor 0',
  ]);
});

test('an import of a package beside is a problem in sources, not in tests', () => {
  const data = {
    files: {
      'src/index.ts': `export type { a } from '@cria/inference';`,
      'test/a.test.ts': `import { a } from '@cria/inference';`,
    },
    dependencies: uses('@cria/inference'),
  };
  expect(problemsOf({ 'packages/data': data, 'packages/inference': attention })).toEqual([
    'packages/data/src/index.ts:1: @cria/inference stands beside data on floor 4',
  ]);
});

test('what tests and benches share is a problem in sources only', () => {
  const files = Object.fromEntries(
    ['src', 'test', 'bench'].map((folder) => [
      `${folder}/a.ts`,
      `import '../../../scripts/support/report.ts';\nimport '../../../scripts/bench.mjs';`,
    ]),
  );
  const leaves = (place: string, file: string) =>
    `packages/attention/${place}: "../../../scripts/${file}" leaves the package. hint: import the other ` +
    'package by its name';
  expect(problemsOf({ 'packages/attention': { files } })).toEqual([
    leaves('src/a.ts:1', 'support/report.ts'),
    ...['src', 'test', 'bench'].map((folder) => leaves(`${folder}/a.ts:2`, 'bench.mjs')),
  ]);
});

test('undeclared, unused, wrongly pinned and escaping imports are problems', () => {
  const tensor = {
    files: {
      'src/index.ts': `import 'left-pad/x';\nimport '../../attention/src/index.ts';`,
      'test/a.test.ts': `import 'fast-check';`,
    },
    dependencies: { '@cria/attention': '^1.0.0' },
    devDependencies: { typebox: '1.0.0' },
  };
  expect(problemsOf({ 'packages/attention': attention, 'packages/tensor': tensor })).toEqual([
    'packages/tensor/src/index.ts:1: left-pad is not declared. hint: add it to "dependencies" of ' +
      'packages/tensor/package.json',
    'packages/tensor/src/index.ts:2: "../../attention/src/index.ts" leaves the package. hint: import the ' +
      'other package by its name',
    'packages/tensor/test/a.test.ts:1: fast-check is not declared. hint: add it to "devDependencies" of ' +
      'packages/tensor/package.json',
    'packages/tensor/package.json: @cria/attention is declared and never used',
    'packages/tensor/package.json: typebox is declared and never used',
    'packages/tensor/package.json: @cria/attention is "^1.0.0". hint: use "workspace:^"',
  ]);
});

test('a package that the plan does not know is a problem', () => {
  expect(problemsOf({ 'packages/attic': attention })).toEqual([
    'packages/attic: not in the floor plan. hint: give it a floor in scripts/lib/floors.mjs',
  ]);
});

test('imports are found in every form, and comments and strings are not imports', () => {
  const root = mkdtempSync(join(tmpdir(), 'cria-floors-'));
  folders.push(root);
  const file = join(root, 'a.ts');
  writeFileSync(
    file,
    `// import 'no';\nconst s = "import 'no'";\nimport a from 'one';\nexport * from "two";\nawait ` +
      `import('three');\ntype T = import('four').T;\n`,
  );
  expect(importsOf(file).map(({ line, specifier }) => [line, specifier])).toEqual([
    [3, 'one'],
    [4, 'two'],
    [5, 'three'],
    [6, 'four'],
  ]);
});

test('package names', () => {
  expect(['@cria/tensor/conformance', 'yaml/x', 'node:fs', 'fs/promises', './a.ts'].map(packageName)).toEqual(
    ['@cria/tensor', 'yaml', undefined, undefined, undefined],
  );
});

test("C++ includes lower floors and the vectors beside it, from below the other room's cpp", () => {
  const simd = { files: { 'cpp/vec.h': '', 'cpp/wide/eight.h': '' } };
  const cpu = {
    files: { 'cpp/command.h': '#include <stdint.h>\n#include "vec.h"\n#include "attention.h"\n' },
  };
  const fine = { files: { 'cpp/attention.h': '#include "wide/eight.h"\n' } };
  expect(problemsOf({ 'packages/simd': simd, 'packages/cpu': cpu, 'packages/attention': fine })).toEqual([]);

  const upward = {
    files: {
      'cpp/attention.h': '#include "vec.h"\n#include "command.h"\n',
      'cpp/deep/tile.h': '#include "../../../simd/cpp/vec.h"\n',
    },
  };
  expect(problemsOf({ 'packages/simd': simd, 'packages/cpu': cpu, 'packages/attention': upward })).toEqual([
    'packages/attention/cpp/attention.h:2: "command.h" of cpu is on floor 2, above attention on floor 0',
    'packages/attention/cpp/deep/tile.h:1: "../../../simd/cpp/vec.h" leaves the room. hint: include it ' +
      'as it lies below packages/simd/cpp',
  ]);
  const sideways = { files: { 'cpp/vec.h': '#include "attention.h"\n' } };
  expect(problemsOf({ 'packages/simd': sideways, 'packages/attention': fine })).toEqual([
    'packages/simd/cpp/vec.h:1: "attention.h" of attention is on floor 0, beside simd on floor 0',
  ]);
});

test('what a dependency asks its users to install is used', () => {
  const server = {
    files: { 'src/index.ts': `import '@cria/devices';` },
    dependencies: uses('@cria/devices', '@cria/cpu'),
  };
  const problems = (peers: object) =>
    problemsOf({
      'packages/cpu': { files: {} },
      'packages/devices': { files: {}, peerDependencies: peers },
      'apps/server': server,
    });
  expect(problems(uses('@cria/cpu'))).toEqual([]);
  expect(problems({})).toEqual(['apps/server/package.json: @cria/cpu is declared and never used']);
});
