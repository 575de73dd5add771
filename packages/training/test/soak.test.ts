import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const steps = process.env.CRIA_HEAVY ? 20_000 : 1000;

interface Memory {
  readonly step: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly rss: number;
}

it(`takes no more memory after ${steps} steps than after 300`, { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cria-soak-'));
  const flags = [
    '--expose-gc',
    '--conditions=@cria/source',
    '--import',
    join(root, 'scripts/run-source.mjs'),
  ];
  const child = fileURLToPath(new URL('soak-child.ts', import.meta.url));
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [...flags, child, String(steps), folder], { cwd: root });
  rmSync(folder, { recursive: true });
  const samples = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Memory);
  expect(samples.at(-1)!.step).toBe(steps);
  const [early, late] = [samples[2]!, samples.at(-1)!];
  const grown = (field: keyof Memory) => (late[field] - early[field]) / 1024;
  // The heap grows by some 600 KiB in all while functions are compiled; a leak grows with the
  // steps, and 20,000 of them find a small one.
  expect(grown('heapUsed'), 'KiB of heap').toBeLessThan(1024);
  expect(grown('external'), 'KiB outside the heap').toBeLessThan(64);
  expect(grown('arrayBuffers'), 'KiB of buffers').toBeLessThan(64);
  expect(grown('rss'), 'KiB resident').toBeLessThan(16 * 1024);
});
