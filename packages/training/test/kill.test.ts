import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listTrainingStates, loadTrainingState } from '@cria/checkpoint';
import { uniform } from '@cria/tensor';
import { expect, it } from 'vitest';

const kills = process.env.CRIA_HEAVY ? 20 : 2;
/** More than the kills leave time for, so that every one of them hits a run. */
const steps = 40 + kills * 15;
const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Runs the child; `patience` milliseconds after its first line it is killed as by a power cut.
 * Returns what it printed.
 */
function runChild(dtype: string, folder: string | undefined, patience = Infinity): Promise<string[]> {
  const loader = join(root, 'scripts/run-source.mjs');
  const file = fileURLToPath(new URL('kill-child.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [
      '--conditions=@cria/source',
      '--import',
      loader,
      file,
      dtype,
      String(steps),
      ...(folder ? [folder] : []),
    ],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (printed === '' && patience < Infinity) setTimeout(() => child.kill('SIGKILL'), patience);
    printed += text;
  });
  return new Promise((resolve) =>
    child.on('close', () =>
      resolve(printed.split('\n').filter((line) => line.endsWith('\n') || line !== '')),
    ),
  );
}

it.each(['f32', 'bf16'])(
  `continues in %s bit for bit through ${kills} kill -9 in a row, in training and in saving`,
  { timeout: 240_000 },
  async (dtype) => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-kill-'));
    const whole = await runChild(dtype, undefined);
    const losses = new Map(
      whole
        .filter((line) => line.startsWith('step '))
        .map((line) => line.split(' ').slice(1) as [string, string]),
    );
    expect(losses.size).toBe(steps);
    let resumed = 0;
    for (let kill = 0; kill < kills; kill++) {
      const printed = await runChild(
        dtype,
        folder,
        5 + 250 * uniform({ seed: Date.now(), stream: kill, start: 0 }),
      );
      for (const line of printed.slice(0, -1)) {
        const [word, step, loss] = line.split(' ');
        if (word === 'resumed') resumed = Number(step);
        if (word === 'step')
          expect(loss, `loss of step ${step} after resuming at ${resumed}`).toBe(losses.get(step!));
      }
      if ((await listTrainingStates(folder)).length > 0) await loadTrainingState(folder);
    }
    const end = await runChild(dtype, folder);
    expect(end.at(-1)).toBe(whole.at(-1));
    expect(end.at(-1)).toMatch(/^weights [0-9a-f]{64}$/);
    rmSync(folder, { recursive: true, force: true });
  },
);
