import type { ComputeDType, DType } from '../dtype.ts';
import { reference } from '../reference/index.ts';
import { Bench } from './bench.ts';
import type { Check, Subject } from './checks.ts';
import { outputOf } from './cases/linear.ts';
import { expectClose, expectSameBits } from './compare.ts';

/**
 * A packed weight gives what the plain one gives, forward and backward, lives in memory of its own,
 * and leaves the original as it was.
 */
export function packingChecks(subject: Subject): Check[] {
  return subject.dtypes.flatMap((dtype) => {
    const all: readonly DType[] = [...new Set<DType>([dtype, ...subject.weights])];
    return all.map((weight) => ({
      group: 'packing',
      name: `linear with a packed weight ${weight}, ${dtype}`,
      run: () => checkPacked(subject, dtype, weight),
    }));
  });
}

async function checkPacked({ device }: Subject, dtype: ComputeDType, weight: DType): Promise<void> {
  using oracle = reference();
  for (const [T, C, N] of [
    [1, 256, 3],
    [17, 512, 65],
    [65, 256, 100],
  ] as const) {
    const name = `T ${T}, C ${C}, N ${N}`;
    const exact = new Bench(oracle, dtype, name, true);
    const bench = new Bench(device, dtype, name);
    const results = [];
    for (const b of [exact, bench]) {
      const [x, plain, y] = [b.normal([T, C]), b.weight([N, C], weight), b.output([T, N])];
      const [dy, dx, plainDx] = [b.normal([T, N]), b.output([T, C]), b.output([T, C])];
      const before = b.device.memory.allocated;
      const packed = b.device.pack(plain);
      if (packed.storage === plain.storage)
        throw new Error(`${name}: the packed weight shares the original's memory`);
      b.kernels.linear(y, x, packed);
      b.kernels.linearGradInput(dx, dy, packed);
      b.kernels.linearGradInput(plainDx, dy, plain);
      b.device.free(packed.storage);
      if (b.device.memory.allocated !== before)
        throw new Error(`${name}: freeing a packed weight did not give its memory back`);
      const {
        dx: fromPacked,
        plainDx: fromPlain,
        ...rest
      } = await b.finish({
        ...outputOf(weight, dtype, y),
        dx,
        plainDx,
      });
      expectSameBits({ dx: fromPacked }, { dx: fromPlain }, `${name}, linearGradInput`);
      results.push(rest);
    }
    expectClose('linear', dtype, results[1], results[0], name);
  }
}
