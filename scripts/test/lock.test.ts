import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withLock } from '../lib/lock.mjs';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'cria-lock-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('work under one lock never overlaps, and the lock is given back after an error', async () => {
  const lock = join(folder, 'deep', 'lock');
  let inside = 0;
  const work = async () => {
    inside++;
    expect(inside).toBe(1);
    await sleep(20);
    inside--;
  };
  await Promise.all([withLock(lock, work), withLock(lock, work), withLock(lock, work)]);
  const failing = async (): Promise<void> => {
    throw new Error('broken');
  };
  await expect(withLock(lock, failing)).rejects.toThrow('broken');
  expect(existsSync(lock)).toBe(false);
});

test('the lock of a process that is gone is taken over', async () => {
  const lock = join(folder, 'lock');
  mkdirSync(lock);
  writeFileSync(join(lock, 'pid'), '2147483646');
  expect(await withLock(lock, async () => 'done')).toBe('done');
});
