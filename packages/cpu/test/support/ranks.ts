// Run as a program: three ranks, one in the main thread and two in workers, each with a device of
// its own, whose lists wait for each other in the middle (a native all-reduce).
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { cpu } from '@cria/cpu';
import { loadNativeCalls, nativeCallsFile } from '../../../../scripts/support/native-calls.ts';

const RANKS = 3;
const ROWS = 300;
const calls = loadNativeCalls(nativeCallsFile()!);

/** x = Σ over ranks of 2x + 1, forty times over in one list. */
async function compute(rank: number, group: number): Promise<string> {
  using device = cpu({ threads: 2, background: rank === 1 });
  const shape = [ROWS, 64];
  const x = device.tensor(
    Array.from({ length: ROWS * 64 }, (_, i) => (i + rank) % 5),
    shape,
    'f32',
  );
  const one = device.empty(shape, 'f32');
  device.kernels.fill(one, 1);
  for (let round = 0; round < 40; round++) {
    device.kernels.add(x, x, x);
    device.kernels.add(x, x, one);
    device.call({
      name: 'all-reduce',
      native: { address: calls.allReduce, context: group, numbers: [rank, x.storage, x.offset, x.size, 0] },
      host: () => {},
    });
    // Keeps numbers small: x = 1/8 of it.
    device.call({
      name: 'scale',
      native: { address: calls.scale, context: 0, numbers: [x.storage, x.offset, x.size, 1 / 8] },
      host: () => {},
    });
  }
  return (await x.toFloat32()).join();
}

function expected(): string {
  const ranks = Array.from({ length: RANKS }, (_, rank) =>
    Float32Array.from({ length: ROWS * 64 }, (_, i) => (i + rank) % 5),
  );
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < ROWS * 64; i++) {
      let sum = Math.fround(2 * ranks[0]![i]! + 1);
      for (const x of ranks.slice(1)) sum = Math.fround(sum + Math.fround(2 * x[i]! + 1));
      for (const x of ranks) x[i] = sum / 8;
    }
  }
  return ranks[0]!.join();
}

if (isMainThread) {
  const group = calls.group(RANKS);
  const others = [1, 2].map((rank) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { rank, group } });
    return new Promise<string>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  });
  const results = await Promise.all([compute(0, group), ...others]);
  const wrong = results.filter((result) => result !== expected());
  console.log(wrong.length === 0 ? 'all equal' : `${wrong.length} of ${RANKS} differ`);
} else {
  const { rank, group } = workerData as { readonly rank: number; readonly group: number };
  parentPort!.postMessage(await compute(rank, group));
}
