import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadFrom, places } from '../src/native.ts';
import { openFrom } from '../src/open.ts';
import { loadWasmFrom } from '../src/wasm.ts';

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
