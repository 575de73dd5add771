import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cpuAvailability } from '../../packages/cpu/src/index.ts';
import { run } from '../lib/run.mjs';
import { root } from '../lib/workspace.mjs';

/** Each in its shortest form: that its options are read and its rows come out, not what they say. */
const shortest: Record<string, { args: string; rows: number }> = {
  cpu: { args: '--presets tiny --rows 8 --threads 1 --milliseconds 1 --turns 1', rows: 68 },
  'cpu --only': {
    args: '--presets tiny --isa baseline --only rope,adamw --threads 1 --milliseconds 1 --turns 1',
    rows: 2,
  },
  denormals: { args: '--rounds 1', rows: 8 },
  generate: { args: '--presets 15m --threads 1 --tokens 16 --rounds 1', rows: 3 },
};

describe.skipIf(!cpuAvailability().available)('benchmarks', () => {
  test.each(Object.entries(shortest))('%s', async (name, { args, rows }) => {
    const bench = join(root, 'scripts/bench.mjs');
    const [known = ''] = name.split(' ');
    const { code, output } = await run(process.execPath, [bench, known, '--json', ...args.split(' ')]);
    expect(output.trim().split('\n').map(problemOf).filter(Boolean)).toEqual([]);
    expect(output.trim().split('\n').length).toBe(rows);
    expect(code).toBe(0);
  });
});

/** What is wrong with a line, or ''. */
function problemOf(line: string): string {
  try {
    const { name, threads, value, unit, peer, peerValue, ratio } = JSON.parse(line) as Record<
      string,
      unknown
    >;
    const beside = peer === undefined || (typeof peerValue === 'number' && typeof ratio === 'number');
    const whole = typeof name === 'string' && typeof threads === 'number' && typeof unit === 'string';
    return whole && beside && typeof value === 'number' ? '' : line;
  } catch {
    return line;
  }
}
