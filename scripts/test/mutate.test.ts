import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'cria-mutate-test-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const FILE = 'scripts/lib/floors.mjs';
const text = readFileSync(join(root, FILE), 'utf8');
const OLD = text.split('\n').find((line) => line !== '' && text.split(line).length === 2)!;

function mutate(args: readonly string[], TMPDIR = temporary) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/mutate.mjs', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, TMPDIR },
  });
  // Whatever came of it: the file is as it was, and no copy is left.
  expect(readFileSync(join(root, FILE), 'utf8')).toBe(text);
  expect(readdirSync(temporary)).toEqual([]);
  return { status, said: stdout + stderr };
}

test('a command that sees the change kills the mutant, one that does not lets it live', () => {
  expect(mutate([FILE, OLD, '// mutant $&', '--', 'grep', '-qF', OLD, FILE])).toEqual({
    status: 0,
    said: 'killed\n',
  });
  expect(mutate([FILE, OLD, '// mutant $&', '--', 'grep', '-qF', '// mutant $&', FILE])).toEqual({
    status: 1,
    said: 'survived: no test saw it\n',
  });
}, 120_000);

test('what cannot be tried is refused, with a hint', () => {
  expect(mutate([FILE, OLD, 'x'])).toMatchObject({
    status: 2,
    said: expect.stringMatching(/a command are needed/),
  });
  expect(mutate([FILE, 'no such text', 'x', '--', 'true']).said).toMatch(
    /in scripts\/lib\/floors.mjs 0 times/,
  );
  expect(mutate([FILE, '\n', 'x', '--', 'true']).said).toMatch(/\d\d times\. hint: give a longer piece/);
  expect(mutate(['/etc/hostname', 'a', 'b', '--', 'true']).said).toMatch(/no file of this checkout/);
  expect(mutate([FILE, OLD, 'x', '--', 'true'], join(root, 'scripts')).said).toMatch(/lies in the checkout/);
});
