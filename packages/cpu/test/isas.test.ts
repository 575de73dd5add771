import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isasOf, knownTo } from '../scripts/isas.mjs';

const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
afterAll(() => rmSync(folder, { recursive: true }));
const here = spawnSync('g++', ['--version']).status === 0 && process.arch === 'x64';

/** A compiler that knows neither these flags nor, on its standard input, these instructions. */
function older(name: string, flags: string, instructions = 'none-such'): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `#!/bin/sh
case "$*" in *${flags}*) echo "unrecognized option" >&2; exit 1;; esac
source=$(cat)
case "$source" in *${instructions}*) echo "no such instruction" >&2; exit 1;; esac
printf '%s\\n' "$source" | g++ "$@"
`,
  );
  chmodSync(path, 0o755);
  return path;
}

describe.skipIf(!here)('instruction sets and compilers', () => {
  const all = isasOf('x64');

  test('what the compiler does not know is left out, with the reason, and so is what needs it', () => {
    expect(knownTo('g++', all).leftOut).toEqual({});
    const { known, leftOut } = knownTo(older('g++-9', '-mavx512bf16'), all);
    expect(known).toEqual(['avx512', 'avx2', 'avx512vnni', 'baseline']);
    expect(leftOut).toEqual({
      amx: 'g++-9 or its assembler, which this file was built with, does not know it',
      avx512bf16: 'g++-9 or its assembler, which this file was built with, does not know it',
    });
    const without = knownTo(older('g++-7', '-mavx512vnni'), all);
    expect(without.known).toEqual(['avx512', 'avx2', 'baseline']);
  });

  test('an assembler without tiles leaves out amx alone', () => {
    const { known, leftOut } = knownTo(older('g++-10', 'none-such', 'tdpbf16ps'), all);
    expect(Object.keys(leftOut)).toEqual(['amx']);
    expect(known).toContain('avx512bf16');
  });

  test('one that is not wanted is missed by what needs it', () => {
    expect(knownTo('g++', ['amx', 'avx512']).leftOut).toEqual({
      amx: 'this file was built without avx512vnni, which it needs',
    });
  });
});
