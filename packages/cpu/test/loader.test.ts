import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../scripts/sources.mjs';
import { loadFrom, places } from '../src/native.ts';
import { openFrom } from '../src/open.ts';
import { loadWasmFrom } from '../src/wasm.ts';
import { built as builtWasm } from './support/wasm.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
afterAll(() => rmSync(folder, { recursive: true }));
const nowhere = {
  packageName: '@cria/cpu-not-a-platform',
  built: join(folder, 'none.node'),
  recorded: join(folder, 'none.json'),
};

const noWasm = () => loadWasmFrom(join(folder, 'none.wasm'));

describe('loader', () => {
  test('without a file of either kind the reference device takes over and says why', () => {
    const { device, reason } = openFrom(loadFrom(nowhere), { threads: 1 }, noWasm);
    expect(device.name).toBe('reference');
    expect(reason).toMatch(
      /@cria\/cpu-not-a-platform is not installed, and it was not built here.*; no wasm file: /,
    );
    device[Symbol.dispose]();
  });

  test('the reason that the build left is passed on', () => {
    const recorded = join(folder, 'reason.json');
    writeFileSync(recorded, JSON.stringify({ reason: 'no C++ compiler was found' }));
    expect(loadFrom({ ...nowhere, recorded }).reason).toMatch(/and no C\+\+ compiler was found$/);
  });

  test('a file that does not load is a reason too', () => {
    const built = join(folder, 'broken.node');
    writeFileSync(built, 'not a library');
    const result = loadFrom({ ...nowhere, built });
    expect(result.native).toBeUndefined();
    expect(result.reason).toMatch(/broken\.node does not load/);
    expect(openFrom(result, {}, noWasm).device.name).toBe('reference');
  });

  test('options are checked before anything falls back', () => {
    expect(() => openFrom(loadFrom(nowhere), { threads: -1 })).toThrow('threads is -1');
  });

  test('the fast prefill is refused where nothing native is there', () => {
    expect(() => openFrom(loadFrom(nowhere), { fastPrefill: true }, noWasm)).toThrow(
      /fastPrefill needs AMX; no native/,
    );
  });

  test('names the package of this platform', () => {
    expect(places().packageName).toMatch(
      new RegExp(`^@cria/cpu-${process.platform}-${process.arch}(-gnu|-musl)?$`),
    );
  });
});

describe('kernels of other sources', () => {
  const text = (path: string) => readFileSync(path).toString('latin1');
  const changed = (path: string, form: 'native' | 'wasm') => {
    const [mark, other] = [fingerprint(form), fingerprint(form).replaceAll(/./g, '0')];
    expect(text(path).includes(mark)).toBe(true);
    const copy = join(folder, `other.${form === 'wasm' ? 'wasm' : 'node'}`);
    writeFileSync(copy, text(path).replace(mark, other), 'latin1');
    return copy;
  };

  test.skipIf(!existsSync(places().built))('a native file of theirs is refused, with what to do', () => {
    const built = changed(places().built, 'native');
    const hint =
      /other\.node was built from other C\+\+ sources \(0{32}\) than .* hint: rebuild: node packages/;
    expect(() => loadFrom({ ...nowhere, built })).toThrow(hint);
  });

  test.skipIf(!builtWasm)('a wasm file of theirs is refused, with what to do', () => {
    const hint =
      /other\.wasm was built from other C\+\+ sources \(0{32}\) than .* hint: rebuild: node packages/;
    expect(() => loadWasmFrom(changed(builtWasm!.path, 'wasm'))).toThrow(hint);
  });

  test('an argument more, a code that means something else, another packed layout: the fingerprint tells', () => {
    const root = join(folder, 'cpu');
    cpSync(fileURLToPath(new URL('../cpp', import.meta.url)), join(root, 'cpp'), { recursive: true });
    const edit = (file: string) =>
      writeFileSync(join(root, 'cpp', file), `${text(join(root, 'cpp', file))} `);
    const seen = new Set([fingerprint('native', root)]);
    for (const file of ['kernels/rms-norm.h', 'command.h', 'kernels/blocks/format.h', 'addon.cc'])
      seen.add((edit(file), fingerprint('native', root)));
    expect(seen.size).toBe(5);
    const wasm = fingerprint('wasm', root);
    edit('wasm/exports.cc');
    expect(fingerprint('wasm', root)).not.toBe(wasm);
    expect(seen).toContain(fingerprint('native', root));
  });
});
