/*
 * A rank as a thread: saves step after step until it is told or made to stop. Talks to the other
 * ranks by the parent, which passes on.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type RankGroup, saveTrainingStateByRanks } from '@cria/checkpoint';
import type { Json } from '@cria/checkpoint/formats';
import { fillWithBits, spaceOf, tiny } from './plain-states.ts';
import { cutsOf, rankState } from './rank-states.ts';

const { root, rank, ranks, steps, first, dieAt } = workerData as Record<string, number> & { root: string };
const port = parentPort!;
const waiting = new Map<string, (value: Json) => void>();
/** What was said before this rank listened: the root need not wait for the others once one of them is dead. */
const early = new Map<string, Json>();
let rootGone = false;
port.on('message', (message: { key: string; value: Json } | { gone: true }) => {
  if ('key' in message) {
    const resolve = waiting.get(message.key);
    if (resolve) resolve(message.value);
    else early.set(message.key, message.value);
    return;
  }
  rootGone = true;
  for (const resolve of waiting.values()) resolve(0);
});
let round = 0;
const hear = (key: string) =>
  new Promise<Json>((resolve) => {
    if (early.has(key)) resolve(early.get(key)!);
    else if (rootGone) resolve(0);
    else waiting.set(key, resolve);
  });
const group: RankGroup = {
  rank: rank!,
  ranks: ranks!,
  async broadcast(value) {
    const key = `b${round++}`;
    const heard = hear(key);
    if (rank === 0) port.postMessage({ key, rank, value, to: 'all' });
    if (rank === 0) return value;
    const said = await heard;
    if (typeof said === 'number') throw new Error(`rank ${said} is gone`);
    return said;
  },
  async gather(value) {
    const key = `g${round++}`;
    const heard = hear(key);
    port.postMessage({ key, rank, value, to: 'root' });
    if (rank !== 0) return undefined;
    const all = await heard;
    if (!Array.isArray(all)) throw new Error(`rank ${String(all)} is gone`);
    return all as Json[];
  },
};
const space = spaceOf(tiny, { states: ['exp_avg', 'exp_avg_sq'] });
const range = cutsOf(space.size, ranks!)[rank!]!;
for (let step = first!; step < first! + steps!; step++) {
  fillWithBits(space, step);
  if (step === dieAt) process.exit(1); // of a thread: ends it in the middle of everything
  try {
    await saveTrainingStateByRanks(root, await rankState(step, space, range), group);
    if (rank === 0) port.postMessage({ saved: step });
  } catch (error) {
    port.postMessage({ failed: (error as Error).message, rank });
    break;
  }
}
port.postMessage({ ended: rank });
port.close();
