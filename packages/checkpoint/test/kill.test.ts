import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTrainingState } from '@cria/checkpoint';
import { bitsOf, temporaryFolder } from './helpers.ts';
import { fillSteps } from './kill-state.ts';
import { bundle } from '../../../scripts/support/bundle.ts';

const kills = Number(process.env['CRIA_KILLS'] ?? 10);

it.each([1, 3])(
  `kill -9 during saves by %i ranks, ${kills} times: the newest state is always whole`,
  async (ranks) => {
    const folder = temporaryFolder();
    const script = await bundle(new URL('kill-child.ts', import.meta.url), folder);
    const root = join(folder, 'run');
    let safe = 0;
    let interrupted = 0;
    for (let round = 0; round < kills; round++) {
      safe = await saveUntilKilled([script, root, String(safe + 1), String(ranks)], (round * 37) % 60);
      if (readdirSync(root).some((name) => name.includes('.tmp-'))) interrupted++;
      const state = await loadTrainingState(root);
      // The step may have been completed just before the child could say so.
      expect([safe, safe + 1]).toContain(state.step);
      const copy = await fillSteps(undefined);
      await state.load(copy);
      expect(await bitsOf(copy)).toEqual(await bitsOf(await fillSteps(state.step)));
      expect(state.counters).toEqual({ step: state.step });
      safe = state.step;
    }
    console.log(`${interrupted} of ${kills} kills left an unfinished save behind; last step ${safe}`);
    expect(interrupted).toBeGreaterThan(0);
  },
  120_000,
);

/**
 * Runs the child until it has saved once, and kills it some milliseconds later. The last step that
 * it said was safe.
 */
function saveUntilKilled(args: readonly string[], delay: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.stdout.on('data', (chunk) => {
      if (output === '') setTimeout(() => child.kill('SIGKILL'), delay);
      output += chunk;
    });
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') reject(new Error(`the child ended by itself (${code}): ${errors}`));
      else resolve(Number(output.trimEnd().split('\n').at(-1)));
    });
  });
}
