import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { cpuAvailability } from '../src/index.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const build = path('../build');
const objects = existsSync(build) ? readdirSync(build).filter((name) => /^isa-.*\.o$/.test(name)) : [];
const hasNm = spawnSync('nm', ['--version']).status === 0;

describe('object files', () => {
  test.skipIf(objects.length === 0 || !hasNm)(
    'hold no shared symbol outside the namespace of their instruction set',
    () => {
      let seen = 0;
      for (const object of objects) {
        const isa = /^isa-(.*)\.o$/.exec(object)![1]!;
        const lines = execFileSync('nm', ['-C', join(build, object)], { encoding: 'utf8' }).split('\n');
        const shared = lines.filter((line) => / [WVu] /.test(line));
        seen += shared.length;
        expect(shared.filter((line) => !line.includes(`cria::${isa}::`))).toEqual([]);
      }
      expect(seen).toBeGreaterThan(0);
    },
  );
});

describe('build script', () => {
  test('without a compiler it says so, records the reason and succeeds', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
    try {
      execFileSync('cp', ['-r', path('../scripts'), path('../cpp'), folder]);
      const { status, stdout } = spawnSync(process.execPath, [join(folder, 'scripts/build.mjs')], {
        encoding: 'utf8',
        env: { PATH: folder, CXX: join(folder, 'no-such-compiler'), CRIA_CACHE: 'off' },
      });
      expect(status).toBe(0);
      expect(stdout).toMatch(/no C\+\+ compiler was found/);
      // Neither is npm on this path, so wasm cannot take over: the plain device does, and no kernels lie there.
      expect(stdout).toMatch(/the plain TypeScript device takes over/);
      const left = readdirSync(join(folder, 'build'));
      expect(left).toContain('reason.json');
      expect(left.filter((name) => /\.(node|wasm)$/.test(name))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.skipIf(objects.length === 0)('does nothing when nothing changed', () => {
    const run = () =>
      execFileSync(process.execPath, [path('../scripts/build.mjs'), '--runnable'], { encoding: 'utf8' });
    run();
    expect(run()).toBe('');
  });
});

describe.skipIf(!cpuAvailability().available)('worker threads', () => {
  test('two use the device at once, come and go, and get the right numbers', () => {
    const loader = path('../../../scripts/run-source.mjs');
    const args = ['--conditions=@cria/source', '--import', loader, path('support/workers.ts')];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('all equal\n');
    expect(status).toBe(0);
  });
});
