import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root } from '../lib/workspace.mjs';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'cria source '))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes files below the folder and gives the path of the first. */
function program(files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return join(folder, Object.keys(files)[0]!);
}

function run(path: string, cache = join(folder, 'cache')) {
  const loader = pathToFileURL(join(root, 'scripts/run-source.mjs')).href;
  const args = ['--conditions=@cria/source', '--import', loader, path];
  const env = { ...process.env, CRIA_CACHE: cache };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  return { status, out: stdout.trim(), errors: stderr };
}

it('runs again from what was kept, until a file of the program changes', () => {
  const path = program({
    'main.ts': `import { word } from './word.ts'; console.log(word satisfies string);`,
    'word.ts': `export const word: string = 'one';`,
  });
  const kept = () => {
    const place = join(folder, 'cache/programs/compiled');
    return readdirSync(place).map((name) => `${name} ${statSync(join(place, name)).ino}`);
  };
  expect(run(path)).toEqual({ status: 0, out: 'one', errors: '' });
  const first = kept();
  expect(first).toHaveLength(1);
  expect(run(path).out).toBe('one');
  expect(kept()).toEqual(first);
  program({ 'word.ts': `export const word: string = 'two';` });
  expect(run(path).out).toBe('two');
  expect(kept()).not.toEqual(first);
  program({
    'main.ts': `import { word } from './other.ts'; console.log(word);`,
    'other.ts': `export const word = 3;`,
  });
  rmSync(join(folder, 'word.ts'));
  expect(run(path).out).toBe('3');
  expect(run(path, 'off').out).toBe('3');
});

it('leaves every module its place, in addresses, in the traces of errors and for packages', () => {
  const path = program({
    'main.ts': `import { place } from './a/place.ts';\nconsole.log(JSON.stringify(place));\nconst n: number = 1;\nthrow new Error(String(n));`,
    'a/place.ts': `import { name } from 'near';\nimport { far } from 'far';\nexport const place = [import.meta.url, name, far, far2()];\nfunction far2(): number {\n  return new Error('here').stack!.includes('place.ts:5:') ? 5 : 0;\n}`,
    'a/node_modules/near/package.json': '{ "main": "index.js" }',
    'a/node_modules/near/index.js': `exports.name = 'near';`,
    'a/node_modules/far/package.json': '{ "exports": "./index.mjs" }',
    'a/node_modules/far/index.mjs': `export const far = import.meta.url;`,
  });
  const { status, out, errors } = run(path);
  const url = (name: string) => pathToFileURL(join(folder, name)).href;
  expect(JSON.parse(out)).toEqual([url('a/place.ts'), 'near', url('a/node_modules/far/index.mjs'), 5]);
  expect(errors).toMatch(/main\.ts:4:7/);
  expect(status).toBe(1);
});

it('threads are programs of their own', () => {
  const path = program({
    'main.ts': `import { Worker } from 'node:worker_threads';\nimport { word } from './word.ts';\nnew Worker(new URL('./thread.ts', import.meta.url)).on('message', (said) => console.log(said, word));`,
    'thread.ts': `import { parentPort } from 'node:worker_threads';\nimport { word } from './word.ts';\nparentPort!.postMessage(word);`,
    'word.ts': `export const word: string = 'same';`,
  });
  expect(run(path)).toEqual({ status: 0, out: 'same same', errors: '' });
});

it('refuses what would load the modules of a program a second time', () => {
  const path = program({
    'main.ts': `const name = './word.ts';\nconsole.log(await import(name));`,
    'word.ts': `export const word = 1;`,
  });
  const { status, errors } = run(path);
  expect(errors).toMatch(/\[run-source\] .*main\.ts imports .*word\.ts by a computed name/);
  expect(status).toBe(1);
});
