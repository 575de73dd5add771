import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wasmIsCurrent } from '../scripts/build-wasm.mjs';
import { includesOf } from '../scripts/includes.mjs';
import { isasOf } from '../scripts/isas.mjs';
import { keep } from '../scripts/kept.mjs';
import { includeFolders } from '../scripts/sources.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const packages = fileURLToPath(new URL('../..', import.meta.url));
const gpp = spawnSync('g++', ['--version']).status === 0;
const built = gpp && isasOf(process.arch).length > 0;

/**
 * g++ that only preprocesses: it writes its arguments instead of an object, and the name of each
 * kernel source to a log.
 */
const compiler = (log: string) => `#!/bin/sh
case "$*" in *--version*) echo "not a compiler 1.0"; exit 0;; *" -E "*) exec g++ "$@";; esac
previous=
for argument in "$@"; do
  case "$previous" in -o) output=$argument;; -c) source=$argument;; esac
  previous=$argument
done
case "$source" in *.cc) basename "$source" >> "${log}";; esac
[ "$output" = /dev/null ] || printf '%s' "$*" > "$output"
`;

describe.skipIf(!built)('objects are kept by content', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cria-moved-')));
  const log = join(folder, 'log');
  const cxx = join(folder, 'cxx');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeAll(() => {
    writeFileSync(cxx, compiler(log));
    chmodSync(cxx, 0o755);
  });

  /** What the build needs of a checkout, somewhere else. */
  function checkout(name: string): string {
    const at = join(folder, name, 'packages');
    for (const part of ['cpu/cpp', 'cpu/scripts', 'attention/cpp', 'simd/cpp'])
      cpSync(join(packages, part), join(at, part), { recursive: true });
    symlinkSync(join(here, 'node_modules'), join(at, 'cpu/node_modules'));
    return join(at, 'cpu');
  }

  /** Builds; the names of the sources that were compiled. */
  function build(at: string, cache = join(folder, 'cache')): string[] {
    rmSync(log, { force: true });
    const { status, stderr } = spawnSync(process.execPath, [join(at, 'scripts/build.mjs')], {
      encoding: 'utf8',
      env: { ...process.env, CXX: cxx, CRIA_CACHE: cache },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').sort() : [];
  }

  const all = [...isasOf(process.arch).map((name) => `isa-${name}.cc`), 'addon.cc', 'isa.cc', 'pool.cc'];
  all.push('storage.cc');

  test('a checkout in another place, with spaces in its path, compiles nothing', () => {
    expect(build(checkout('first'))).toEqual(all.sort());
    const second = checkout('a second place');
    expect(build(second)).toEqual([]);
    expect(existsSync(join(second, `build/cria-cpu-${process.platform}-${process.arch}.node`))).toBe(true);
  });

  test('a build folder that is moved with its checkout is not built again', () => {
    const third = checkout('third');
    build(third);
    const moved = checkout('a moved one');
    cpSync(join(third, 'build'), join(moved, 'build'), { recursive: true });
    // Without the kept objects, so that nothing but the folder itself can spare the build.
    expect(build(moved, 'off')).toEqual([]);
  });

  test('an edit compiles what it changes, and taking it back compiles nothing', () => {
    const edited = checkout('edited');
    const header = join(edited, '../simd/cpp/vec-baseline.h');
    const before = readFileSync(header);
    appendFileSync(header, 'static_assert(true);\n');
    expect(build(edited)).toEqual(['addon.cc', 'isa-baseline.cc']); // addon.cc carries the fingerprint
    writeFileSync(header, before);
    expect(build(edited)).toEqual([]);
    appendFileSync(header, '// a comment\n');
    expect(build(edited)).toEqual(['addon.cc']);
  });

  test('another compiler command or no folder to keep them compiles all', () => {
    const at = checkout('uncached');
    expect(build(at, 'off')).toEqual(all);
    rmSync(join(at, 'build'), { recursive: true });
    expect(build(at, 'off')).toEqual(all);
    mkdirSync(join(folder, 'other'));
    expect(build(checkout('empty'), join(folder, 'other'))).toEqual(all);
  });
});

describe.skipIf(!wasmIsCurrent())('the wasm file is kept by content', () => {
  test('another checkout takes it without the compiler, which is not installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria moved wasm '));
    try {
      const key = readFileSync(join(here, 'build/cria-cpu.wasm.sha256'), 'utf8');
      const wasm = readFileSync(join(here, 'build/cria-cpu.wasm'));
      keep(key, wasm, { folder: join(folder, 'cache') });
      for (const part of ['cpu/cpp', 'cpu/scripts', 'attention/cpp', 'simd/cpp'])
        cpSync(join(packages, part), join(folder, part), { recursive: true });
      const { status, stderr } = spawnSync(process.execPath, [join(folder, 'cpu/scripts/build-wasm.mjs')], {
        encoding: 'utf8',
        env: { PATH: folder, CRIA_CACHE: join(folder, 'cache') }, // no npm on this path
      });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(readFileSync(join(folder, 'cpu/build/cria-cpu.wasm')).equals(wasm)).toBe(true);
      expect(existsSync(join(folder, 'cpu/build/wasm-compiler'))).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(!gpp)('includes, without a compiler', () => {
  test.each(['isa', 'heap', 'storage', 'pool', 'exports'])('of %s are those that g++ finds', (name) => {
    const source = join(here, 'cpp/wasm', `${name}.cc`);
    const folders = includeFolders.map((folder) => `-I${folder}`);
    const rule = execFileSync('g++', [...folders, '-MM', '-MT', 'all', source], { encoding: 'utf8' });
    const wanted = rule
      .replace('all:', '')
      .split(/[\s\\]+/)
      .filter((path) => path !== '');
    const found = [...includesOf(source, includeFolders).keys()];
    expect(wanted.length).toBeGreaterThan(1);
    // What stands under an `#if` for another processor is included too.
    expect(found.map((path) => resolve(path))).toEqual(
      expect.arrayContaining(wanted.map((path) => resolve(path))),
    );
  });
});
