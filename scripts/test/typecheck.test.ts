import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeCompiler } from '../lib/typecheck-native.mjs';
import { check, checkNative } from '../typecheck.mjs';

const native = await nativeCompiler();
if ('reason' in native) console.log(`the native type checker is skipped: ${native.reason}`);
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cria types ')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(join(folder, 'ours'));
  mkdirSync(join(folder, 'theirs'));
  for (const [name, text] of Object.entries({
    'tsconfig.json':
      '{ "compilerOptions": { "strict": true, "module": "NodeNext", "types": [], "noEmit": true, ' +
      '"allowImportingTsExtensions": true }, "include": ["ours"] }',
    'broken.json': '{ "compilerOptions": { "strict": true, "target": "ES1066" }, "include": ["ours"] }',
    'ours/a.ts': `import { b } from '../theirs/b.ts';\nexport const a: { readonly x: number } = { x: b };\nexport const c: number = 'no';\n`,
    'theirs/b.ts': `export const b: string = 1;\n`,
  }))
    writeFileSync(join(folder, name), text);
});

const ways: [string, (config: string) => Promise<{ files: number; errors: string[] }>][] = [
  ['JavaScript', async (config) => check(config, new Map())],
  ...('reason' in native
    ? []
    : ([['native', (config) => checkNative(config, native.program)]] as typeof ways)),
];

describe.each(ways)('the %s compiler', (_, run) => {
  it('tells the errors of what the configuration includes, and of no other file', async () => {
    const { files, errors } = await run(join(folder, 'tsconfig.json'));
    expect(files).toBe(1);
    expect(errors.map((error) => error.replace(/^.*ours/, 'ours').replaceAll('\\', '/'))).toEqual([
      expect.stringMatching(
        /^ours\/a\.ts\(2,44\): error TS2322: Type 'string' is not assignable to type 'number'/,
      ),
      expect.stringMatching(
        /^ours\/a\.ts\(3,14\): error TS2322: Type 'string' is not assignable to type 'number'/,
      ),
    ]);
  });

  it('tells what is wrong with a configuration', async () => {
    const { errors } = await run(join(folder, 'broken.json'));
    expect(errors.join('\n')).toMatch(/error TS6046: Argument for '--target' option must be/);
  });
});

it('says why there is no native compiler', async () => {
  expect(await nativeCompiler(join(folder, 'nowhere'))).toEqual({
    reason: `${join(folder, 'nowhere')} is not installed`,
  });
  mkdirSync(join(folder, 'lib'));
  const finder = `export default () => { throw new Error('no program for ${process.platform}'); };`;
  writeFileSync(join(folder, 'lib/getExePath.js'), finder);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  expect(await nativeCompiler(folder)).toEqual({ reason: `no program for ${process.platform}` });
});

it.skipIf('reason' in native)('a native compiler that breaks is no clean check', async () => {
  await expect(checkNative(join(folder, 'tsconfig.json'), process.execPath)).rejects.toThrow('[typecheck]');
});
