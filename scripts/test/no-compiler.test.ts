import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wasmIsCurrent } from '../../packages/cpu/scripts/build-wasm.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = wasmIsCurrent();
if (!built)
  console.log(
    'a start without a compiler skipped: the wasm file was not built from the sources that lie here',
  );

/** A checkout like this one that was never built, but for the wasm file; no program is on its path. */
const folder = mkdtempSync(join(tmpdir(), 'cria-no-compiler-'));
const environment = { PATH: join(folder, 'nothing'), HOME: folder, CXX: '' };
const left = new Set(['build', 'dist', 'test', 'bench', 'oracle']);

function copyCheckout(): void {
  for (const name of ['packages', 'apps', 'scripts'])
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !left.has(basename(path)),
    });
  for (const name of readdirSync(root))
    if (/^(package\.json|pnpm-.*|tsconfig.*)$/.test(name)) copyFileSync(join(root, name), join(folder, name));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'packages/cpu/build'));
  for (const name of ['cria-cpu.wasm', 'cria-cpu.wasm.sha256'])
    copyFileSync(join(root, 'packages/cpu/build', name), join(folder, 'packages/cpu/build', name));
}

/** Runs a program of the copy from its sources. */
const program = (file: string, ...args: string[]) => [
  '--disable-warning=ExperimentalWarning',
  '--conditions=@cria/source',
  '--import',
  './scripts/run-source.mjs',
  file,
  ...args,
];

function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    timeout: 90_000,
  });
  if (status !== 0) throw new Error(`status ${status}\n${stdout}${stderr}`);
  return stdout;
}

describe.skipIf(!built)('without a compiler', { timeout: 120_000 }, () => {
  let server: ChildProcess | undefined;
  beforeAll(copyCheckout);
  afterAll(() => {
    server?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('the build takes wasm and says why', () => {
    expect(run('packages/cpu/scripts/build.mjs', '--own')).toMatch(
      /no C\+\+ compiler was found .*; the kernels are compiled to wasm instead/,
    );
    expect(existsSync(join(folder, 'packages/cpu/build/reason.json'))).toBe(true);
    expect(readdirSync(join(folder, 'packages/cpu/build')).filter((name) => name.endsWith('.node'))).toEqual(
      [],
    );
  });

  it('a model trains on the wasm device, below its peak, and is served', async () => {
    mkdirSync(join(folder, 'texts'));
    for (const name of readdirSync(join(folder, 'packages')))
      copyFileSync(join(folder, 'packages', name, 'README.md'), join(folder, 'texts', `${name}.md`));
    const settings = {
      'model.dim': 64,
      'model.n_layers': 2,
      'model.n_heads': 2,
      'tokenizer.vocab_size': 400,
      'data.validation_share': 0.2,
      'data.max_validation_windows': 16,
      'training.context_length': 64,
      'training.batch_size': 4,
    };
    const out = run(
      ...program(
        'apps/trainer/src/cli.ts',
        'start',
        '--data=texts',
        '--steps=8',
        '--folder=run',
        ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
      ),
    );
    expect(out).toMatch(/wasm, \d+ thread/);
    const shares = [...out.matchAll(/MFU\s+([\d.]+)\s*%/gi)].map(([, share]) => Number(share));
    for (const share of shares) expect(share).toBeLessThan(100);

    server = spawn(process.execPath, program('apps/server/src/cli.ts', '--model', 'run', '--port', '0'), {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const url = await listening(server);
    const answer = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'run', prompt: 'The quick', max_tokens: 8, temperature: 0 }),
    });
    const body = (await answer.json()) as { usage?: { completion_tokens: number } };
    expect(body).toMatchObject({ usage: { completion_tokens: 8 } });
    server.kill('SIGTERM');
    expect((await once(server, 'exit'))[0]).toBe(0);
  });
});

/** The address that a server says it listens on. */
async function listening(child: ChildProcess): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    const hear = (data: Buffer) => {
      said += data.toString();
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
      if (url) resolve(url);
    };
    child.stdout!.on('data', hear);
    child.stderr!.on('data', hear);
    child.once('exit', (status) => reject(new Error(`the server ended with status ${status}\n${said}`)));
  });
}
