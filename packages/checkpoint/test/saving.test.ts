import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  BackgroundSaver,
  listTrainingStates,
  loadTrainingState,
  openCheckpoint,
  saveHuggingFace,
  saveTrainingState,
  saveTrainingStateByRanks,
} from '@cria/checkpoint';
import { planReshard, shardOf } from '@cria/checkpoint/formats';
import { bitsOf, fillWithBits, spaceOf, temporaryFolder, tiny } from './helpers.ts';
import { cutsOf, groupsOf, rankState } from './rank-states.ts';

const full = { gradients: true, states: ['exp_avg', 'exp_avg_sq'] };
const stateOf = (step: number, parameters = spaceOf(tiny, full)) => ({
  step,
  parameters,
  config: tiny,
  counters: { step },
});

/** A file system of so many kilobytes, or undefined where this process may not make one. */
function smallDisk(kilobytes: number): string | undefined {
  const folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    console.log('skipped: this process may not mount a small disk');
    return undefined;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  return folder;
}

describe('saving in the background', () => {
  it('writes the state as it was when save was called', async () => {
    const root = temporaryFolder();
    const parameters = spaceOf(tiny, full);
    fillWithBits(parameters, 1);
    const before = await bitsOf(parameters);
    const saver = new BackgroundSaver(root, { keepLast: 3 });
    await saver.save(stateOf(1, parameters));
    fillWithBits(parameters, 2); // training goes on
    const saved = await saver.finish();
    expect(saved?.step).toBe(1);
    const copy = spaceOf(tiny, full);
    await (await loadTrainingState(root)).load(copy);
    expect(await bitsOf(copy)).toEqual(before);
    expect(await saver.finish()).toBeUndefined();
  });

  it('keeps the last ones, and every tenth for good', async () => {
    const root = temporaryFolder();
    const saver = new BackgroundSaver(root, { keepLast: 2, keepEvery: 10 });
    for (const step of [5, 10, 15, 20, 25, 30, 35]) await saver.save(stateOf(step));
    await saver.finish();
    expect((await listTrainingStates(root)).map(({ step }) => step)).toEqual([10, 20, 30, 35]);
    expect(() => new BackgroundSaver(root, { keepEvery: 0 })).toThrow('keepEvery is 0');
    expect(() => new BackgroundSaver(root, { keepEvry: 5 } as object)).toThrow('did you mean "keepEvery"');
  });

  it('tells a failure at the next call, once', async () => {
    const root = join(temporaryFolder(), 'file');
    writeFileSync(root, '');
    const saver = new BackgroundSaver(root);
    await saver.save(stateOf(1));
    await expect(saver.save(stateOf(2))).rejects.toThrow('cannot save step 1');
    expect(await saver.finish()).toBeUndefined();
  });
});

describe('a full disk', () => {
  it('leaves the earlier state whole, says so, and the next save works once there is room', async () => {
    const root = smallDisk(200);
    if (root === undefined) return;
    const parameters = spaceOf(tiny, full);
    fillWithBits(parameters, 7);
    await saveTrainingState(root, stateOf(1, parameters));
    const expected = await bitsOf(parameters);
    const ballast = join(root, 'ballast');
    writeFileSync(ballast, Buffer.alloc(110_000));
    fillWithBits(parameters, 8);
    const saver = new BackgroundSaver(root);
    await saver.save(stateOf(2, parameters));
    await expect(saver.finish()).rejects.toThrow(
      /cannot write .*ENOSPC\).*the disk is full; what was there before is untouched/,
    );
    await expect(saveTrainingState(root, stateOf(2, parameters))).rejects.toThrow('ENOSPC');
    expect(readdirSync(root).filter((name) => name.includes('.tmp'))).toEqual([]);
    const state = await loadTrainingState(root);
    expect(state.step).toBe(1);
    const copy = spaceOf(tiny, full);
    await state.load(copy);
    expect(await bitsOf(copy)).toEqual(expected);
    execFileSync('rm', [ballast]);
    await saveTrainingState(root, stateOf(2, parameters), { keepLast: 1 });
    expect((await loadTrainingState(root)).step).toBe(2);
  });

  it('that one of several ranks meets is told by all of them, and the earlier state is whole', async () => {
    const root = smallDisk(200);
    if (root === undefined) return;
    const space = spaceOf(tiny, full);
    fillWithBits(space, 7);
    await saveTrainingState(root, stateOf(1, space));
    writeFileSync(join(root, 'ballast'), Buffer.alloc(110_000));
    const { groups } = groupsOf(3);
    const cuts = cutsOf(space.size, 3);
    const results = await Promise.allSettled(
      groups.map(async (group) =>
        saveTrainingStateByRanks(root, await rankState(2, space, cuts[group.rank]!), group),
      ),
    );
    for (const result of results)
      expect(String(result.status === 'rejected' && result.reason)).toMatch(
        /ENOSPC.* hint: the disk is full/,
      );
    expect(readdirSync(root).sort()).toEqual(['ballast', 'step-00000001']);
    const copy = spaceOf(tiny, full);
    await (await loadTrainingState(root)).load(copy);
    expect(await bitsOf(copy)).toEqual(await bitsOf(space));
  });

  it('leaves a model that was there before as it was', async () => {
    const root = smallDisk(120);
    if (root === undefined) return;
    const space = spaceOf(tiny);
    fillWithBits(space, 3);
    const folder = join(root, 'model');
    await saveHuggingFace(folder, tiny, space);
    writeFileSync(join(root, 'ballast'), Buffer.alloc(80_000));
    fillWithBits(space, 4);
    await expect(saveHuggingFace(folder, tiny, space)).rejects.toThrow('ENOSPC');
    const copy = spaceOf(tiny);
    await (await openCheckpoint(folder)).load(copy);
    fillWithBits(space, 3);
    expect(await bitsOf(copy)).toEqual(await bitsOf(space));
  });
});

describe('checksums of tensors', () => {
  it('name the tensor that is damaged', async () => {
    const root = temporaryFolder();
    const { folder } = await saveTrainingState(root, stateOf(1));
    const path = join(folder, 'optimizer.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 1;
    writeFileSync(path, bytes);
    await expect(loadTrainingState(root)).rejects.toThrow(/the damage is in "exp_avg(_sq)?\.[a-z0-9_.]+"/);
  });
});

describe('resharding', () => {
  it('covers every new shard once, from the right places, for any numbers', () => {
    const number = (max: number) => fc.integer({ min: 1, max });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        number(17),
        number(17),
        fc.constantFrom(1, 64),
        (size, fromRanks, toRanks, alignment) => {
          const space = Float64Array.from({ length: size }, (_, i) => i);
          const plan = planReshard({ size, fromRanks, toRanks, alignment });
          expect(plan).toHaveLength(toRanks);
          plan.forEach((pieces, rank) => {
            const [begin, end] = shardOf(size, rank, toRanks, alignment);
            const shard = new Float64Array(end - begin).fill(-1);
            let covered = 0;
            for (const { fromRank, from, to, length } of pieces) {
              const [oldBegin, oldEnd] = shardOf(size, fromRank, fromRanks, alignment);
              shard.set(space.subarray(oldBegin, oldEnd).subarray(from, from + length), to);
              covered += length;
            }
            expect(covered).toBe(shard.length);
            expect(shard).toEqual(space.slice(begin, end));
          });
        },
      ),
    );
    expect(() => planReshard({ size: 10, fromRanks: 0, toRanks: 2 })).toThrow('fromRanks is 0');
    expect(() => shardOf(10, 3, 3)).toThrow('rank 3 of 3 ranks');
  });
});

/**
 * Runs `action` while the folder is mounted read-only, which binds root too; false where this
 * process may not do that.
 */
async function readOnly(folder: string, action: () => Promise<void>): Promise<boolean> {
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  try {
    mount('--bind', folder, folder);
    mount('-o', 'remount,bind,ro', folder);
  } catch {
    console.log('skipped: this process may not mount a folder read-only');
    return false;
  }
  try {
    await action();
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
  return true;
}

describe('a folder that has become read-only', () => {
  it('leaves the earlier state whole, says so once, and the next save works when it is writable again', async () => {
    const root = temporaryFolder();
    const parameters = spaceOf(tiny, full);
    fillWithBits(parameters, 7);
    await saveTrainingState(root, stateOf(1, parameters));
    const saver = new BackgroundSaver(root);
    const done = await readOnly(root, async () => {
      await saver.save(stateOf(2, parameters));
      const refused = /cannot save step 2 below .*\(EROFS\).* hint: the file system is read-only/;
      await expect(saver.finish()).rejects.toThrow(refused);
      expect(await saver.finish()).toBeUndefined();
      await expect(saveTrainingState(root, stateOf(2, parameters))).rejects.toThrow(refused);
      const state = await loadTrainingState(root);
      expect(state.step).toBe(1);
      const copy = spaceOf(tiny, full);
      await state.load(copy);
      expect(await bitsOf(copy)).toEqual(await bitsOf(parameters));
    });
    expect(readdirSync(root)).toEqual(['step-00000001']);
    if (!done) return;
    await saver.save(stateOf(2, parameters));
    expect((await saver.finish())?.step).toBe(2);
    expect((await loadTrainingState(root)).step).toBe(2);
  });
});

describe('folders that cannot be written', () => {
  it('are refused with the reason', async () => {
    const root = join(temporaryFolder(), 'a-file');
    mkdirSync(root);
    const blocked = join(root, 'model');
    writeFileSync(blocked, '');
    await expect(saveHuggingFace(blocked, tiny, spaceOf(tiny))).rejects.toThrow(
      /cannot make .*model \(EEXIST\)/,
    );
  });
});
