import type { Device } from '../device.ts';
import type { ComputeDType } from '../dtype.ts';
import { reference } from '../reference/index.ts';
import { Bench, type Results } from './bench.ts';
import type { Case } from './case.ts';
import { kernelCases } from './cases/index.ts';
import type { Check, Subject } from './checks.ts';
import { expectClose, expectRounded, expectSameBits } from './compare.ts';

/** Every kernel against the reference device in f64; and the same bits when it runs again. */
export function kernelChecks(subject: Subject): Check[] {
  const repeatable = subject.device.determinism !== 'none';
  return byKernel(subject, async (each, dtype) => {
    using oracle = reference();
    const want = await runCase(oracle, each, dtype, true);
    const got = await runCase(subject.device, each, dtype);
    if (each.exact) expectRounded(got, want, each.name);
    else expectClose(each.kernel, dtype, got, want, each.name);
    if (repeatable)
      expectSameBits(await runCase(subject.device, each, dtype), got, `${each.name}, run again`);
  });
}

/** The same bits on every number of threads. */
export function threadChecks(subject: Subject): Check[] {
  if (subject.device.determinism === 'none') return [];
  return subject.threads.map((threads) => threadCheck(subject, threads));
}

function threadCheck(subject: Subject, threads: number): Check {
  return {
    group: 'threads',
    name: `${threads} threads give the bits of the device as it comes`,
    async run() {
      using device = subject.create({ threads });
      if (!device) throw new Error(`no device with ${threads} threads could be made`);
      for (const dtype of subject.dtypes) {
        for (const each of kernelCases(subject)) {
          const want = await runCase(subject.device, each, dtype);
          expectSameBits(await runCase(device, each, dtype), want, `${each.kernel} ${dtype} ${each.name}`);
        }
      }
    },
  };
}

/** One check for each kernel and dtype, over all of the kernel's cases. */
function byKernel(subject: Subject, run: (each: Case, dtype: ComputeDType) => Promise<void>): Check[] {
  return subject.dtypes.flatMap((dtype) => {
    const cases = kernelCases(subject);
    const kernels = [...new Set(cases.map((each) => each.kernel))];
    return kernels.map((kernel) => ({
      group: kernel,
      name: `${kernel} ${dtype}`,
      async run() {
        for (const each of cases) if (each.kernel === kernel) await run(each, dtype);
      },
    }));
  });
}

async function runCase(device: Device, each: Case, dtype: ComputeDType, exact = false): Promise<Results> {
  const bench = new Bench(device, dtype, `${each.kernel} ${each.name}`, exact);
  return bench.finish(each.run(bench));
}
