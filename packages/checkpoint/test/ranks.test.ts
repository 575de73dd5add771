import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  listTrainingStates,
  loadTrainingState,
  openCheckpoint,
  saveTrainingState,
  saveTrainingStateByRanks,
} from '@cria/checkpoint';
import type { Tensor } from '@cria/tensor';
import { bitsOf, fillWithBits, spaceOf, temporaryFolder, tiny } from './helpers.ts';
import { cut, cutsOf, groupsOf, rankState } from './rank-states.ts';

const loader = fileURLToPath(new URL('../../../scripts/run-source.mjs', import.meta.url));
const sourceArgv = ['--conditions=@cria/source', '--import', loader];
const filled = (step: number, options: object = { states: ['exp_avg', 'exp_avg_sq'] }) => {
  const space = spaceOf(tiny, options);
  fillWithBits(space, step);
  return space;
};
const bytesOf = async (tensor: Tensor) => {
  const read = await tensor.read();
  return Buffer.from(read.buffer, read.byteOffset, read.byteLength);
};

/** All ranks at once, in this process. */
async function saveBy(root: string, step: number, ranks: number, at?: readonly number[], keepLast = 9) {
  const space = filled(step);
  const { groups } = groupsOf(ranks);
  const cuts = cutsOf(space.size, ranks, at);
  const saves = groups.map(async (group) =>
    saveTrainingStateByRanks(root, await rankState(step, space, cuts[group.rank]!), group, { keepLast }),
  );
  return (await Promise.all(saves))[0]!;
}

describe('a state by ranks', () => {
  it.each([
    [1, undefined],
    [3, undefined],
    [8, undefined],
    [40, undefined],
    [4, [7, 700, 701]],
    [3, [0, 1]],
  ] as const)('saved by %i, cut at %o, is loaded by any number, and as a whole', async (ranks, at) => {
    const root = temporaryFolder();
    const space = filled(3);
    const saved = await saveBy(root, 3, ranks, at);
    expect(readdirSync(saved.folder).filter((name) => name.startsWith('rank-'))).toHaveLength(ranks);
    const state = await loadTrainingState(root);
    expect([state.step, state.ranks, state.states.length > 0, state.counters]).toEqual([
      3,
      ranks,
      true,
      { step: 3 },
    ]);
    await expectRanges(state, space);
    const whole = spaceOf(tiny, { states: ['exp_avg', 'exp_avg_sq'] });
    await state.load(whole);
    expect(await bitsOf(whole)).toEqual(await bitsOf(space));
    const weights = spaceOf(tiny);
    await (await openCheckpoint(root)).load(weights);
    expect(await bytesOf(weights.values)).toEqual(await bytesOf(space.values));
  });

  it('that was saved as a whole is loaded by any number, heads put in order', async () => {
    const root = temporaryFolder();
    const space = filled(4);
    await saveTrainingState(root, { step: 4, parameters: space, config: tiny, counters: null });
    await expectRanges(await loadTrainingState(root), space);
  });

  it('keeps f32 masters of halves', async () => {
    const root = temporaryFolder();
    const space = filled(5, { dtype: 'bf16', states: ['exp_avg', 'exp_avg_sq'] });
    const { groups } = groupsOf(2);
    const cuts = cutsOf(space.size, 2);
    await Promise.all(
      groups.map(async (group) =>
        saveTrainingStateByRanks(root, await rankState(5, space, cuts[group.rank]!), group),
      ),
    );
    const copy = spaceOf(tiny, { dtype: 'bf16', states: ['exp_avg', 'exp_avg_sq'] });
    await (await loadTrainingState(root)).load(copy);
    expect(await bitsOf(copy)).toEqual(await bitsOf(space));
  });

  it('is refused where ranks overlap, leave a gap or differ, at every rank, and the one before it stays', async () => {
    const root = temporaryFolder();
    await saveBy(root, 1, 2);
    const space = filled(2);
    const attempt = async (change: (rank: number) => object) => {
      const { groups } = groupsOf(3);
      const cuts = cutsOf(space.size, 3);
      const results = await Promise.allSettled(
        groups.map(async (group) => {
          const state = await rankState(2, space, cuts[group.rank]!);
          return saveTrainingStateByRanks(root, { ...state, ...change(group.rank) }, group);
        }),
      );
      const reasons = results.map((each) => (each.status === 'rejected' ? each.reason.message : 'saved'));
      expect(new Set(reasons).size).toBe(1);
      expect((await loadTrainingState(root)).step).toBe(1);
      expect(readdirSync(root)).toEqual(['step-00000001']);
      return reasons[0];
    };
    expect(await attempt((rank) => (rank === 1 ? { begin: 64 } : {}))).toMatch(
      /elements 64 to \d+ are in two ranks/,
    );
    expect(await attempt((rank) => (rank === 2 ? { begin: 1e9 } : {}))).toMatch(
      /rank 2 has elements 1000000000/,
    );
    expect(await attempt((rank) => (rank === 1 ? { counters: NaN } : {}))).toMatch(/counters is NaN/);
    const short = await cut(space.masters, [0, 64]);
    expect(
      await attempt((rank) => (rank === 2 ? { states: { exp_avg: short, exp_avg_sq: short } } : {})),
    ).toMatch(/64 elements of exp_avg/);
    expect(
      await attempt((rank) =>
        rank === 0 ? { values: short, states: { exp_avg: short, exp_avg_sq: short } } : {},
      ),
    ).toMatch(/nobody’s/);
  });

  it('with a damaged or missing file of a rank names it, and the one before it is taken', async () => {
    const root = temporaryFolder();
    await saveBy(root, 1, 3);
    const { folder } = await saveBy(root, 2, 3);
    const path = join(folder, 'rank-00001-of-00003.safetensors');
    const bytes = readFileSync(path);
    for (const at of [3, 60, bytes.length >> 1, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 16;
      writeFileSync(path, changed);
      await expect(loadTrainingState(root)).rejects.toThrow(/damaged: .*rank-00001-of-00003.safetensors/s);
    }
    await expect(loadTrainingState(root)).rejects.toThrow(/the damage is in "(values|exp_avg|exp_avg_sq)"/);
    rmSync(path);
    await expect(loadTrainingState(root)).rejects.toThrow(/rank-00001-of-00003.safetensors is missing/);
    expect((await loadTrainingState(root, { fallback: true })).step).toBe(1);
  });
});

/** Every rank of every number of ranks has its part of the space, bit for bit. */
async function expectRanges(
  state: Awaited<ReturnType<typeof loadTrainingState>>,
  space: ReturnType<typeof spaceOf>,
): Promise<void> {
  const parameters = spaceOf(tiny);
  const { device } = parameters;
  for (const ranks of [1, 3, 5]) {
    for (const [begin, end] of [
      ...cutsOf(space.size, ranks),
      [5, 7],
      [space.size - 1, space.size],
    ] as const) {
      const [values, first, second] = [0, 1, 2].map(() => device.empty([end - begin], 'f32')) as [
        Tensor,
        Tensor,
        Tensor,
      ];
      for (const each of [values, first, second]) if (each.size > 0) device.kernels.fill(each, 7);
      await state.loadRange({ parameters, begin, values, states: { exp_avg: first, exp_avg_sq: second } });
      const pairs = [
        [values, space.masters],
        [first, space.states.get('exp_avg').whole],
        [second, space.states.get('exp_avg_sq').whole],
      ] as const;
      for (const [loaded, flat] of pairs)
        expect(await bytesOf(loaded)).toEqual((await bytesOf(flat)).subarray(begin * 4, end * 4));
    }
  }
}

/** Ranks as threads; this thread passes on what they say to each other. */
function runThreads(
  root: string,
  ranks: number,
  extra: object,
  dying?: number,
): Promise<{ saved: number[]; failed: string[] }> {
  const saved: number[] = [];
  const failed: string[] = [];
  const gathered = new Map<string, unknown[]>();
  const workers = Array.from({ length: ranks }, (_, rank) => {
    const workerData = { root, ranks, rank, ...extra, ...(rank === dying ? { dieAt: 3 } : {}) };
    return new Worker(new URL('rank-thread.ts', import.meta.url), { workerData, execArgv: sourceArgv });
  });
  const gone = new Set<number>();
  const dead: number[] = [];
  const answer = (key: string) => {
    const parts = gathered.get(key) ?? [];
    if (parts.filter((part) => part !== undefined).length === ranks)
      workers[0]!.postMessage({ key, value: parts });
    else if (dead.length > 0) workers[0]!.postMessage({ key, value: dead[0] });
  };
  return new Promise((resolve, reject) => {
    workers.forEach((worker, rank) => {
      worker.on('message', (message) => {
        if ('saved' in message) saved.push(message.saved);
        else if ('failed' in message) failed.push(message.failed);
        else if (message.to === 'all') for (const each of workers.slice(1)) each.postMessage(message);
        else if (message.to === 'root') {
          const parts = gathered.get(message.key) ?? new Array(ranks).fill(undefined);
          parts[rank] = message.value;
          gathered.set(message.key, parts);
          answer(message.key);
        }
      });
      worker.on('error', reject);
      worker.on('exit', (code) => {
        if (code !== 0) {
          dead.push(rank);
          for (const key of gathered.keys()) answer(key);
          if (rank === 0) for (const each of workers.slice(1)) each.postMessage({ gone: true });
        }
        gone.add(rank);
        if (gone.size === ranks) resolve({ saved, failed });
      });
    });
  });
}

describe('ranks that are threads', () => {
  it('save together what any number of ranks loads', async () => {
    const root = temporaryFolder();
    const { saved, failed } = await runThreads(root, 3, { first: 1, steps: 3 });
    expect([saved, failed]).toEqual([[1, 2, 3], []]);
    expect((await listTrainingStates(root)).map(({ step }) => step)).toEqual([2, 3]);
    await expectRanges(await loadTrainingState(root), filled(3));
  });

  it.each([0, 1])('leave the state before when rank %i dies, and say so', async (dying) => {
    const root = temporaryFolder();
    const { saved, failed } = await runThreads(root, 3, { first: 1, steps: 3 }, dying);
    expect(saved).toEqual([1, 2]);
    expect(failed).toHaveLength(2); // those that are left
    for (const text of failed) expect(text).toMatch(/rank \d is gone/);
    expect((await loadTrainingState(root)).step).toBe(2);
  });
});
