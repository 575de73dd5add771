import { availableParallelism } from 'node:os';
import { describeDevice } from '@cria/tensor/conformance';
import { cpu, cpuAvailability, type IsaName } from '../../src/index.ts';
import { takesAllShapes } from './isas.ts';

/** The suite for one instruction set, at several numbers of threads; a file each, so that they run side by side. */
export function describeIsa(isa: IsaName, only?: RegExp): void {
  const { isas, missing, reason } = cpuAvailability();
  const here = isas.includes(isa);
  const why = missing.find(({ name }) => name === isa)?.reason ?? 'this kind of processor does not have it';
  if (!here) console.log(`cpu: ${isa} skipped: ${isas.length === 0 ? reason : why}`);
  const usual = Math.min(2, availableParallelism());
  describeDevice(`cpu ${isa}`, ({ threads = usual } = {}) => (here ? cpu({ isa, threads }) : undefined), {
    threads: takesAllShapes(isa) ? [1, 3] : [3],
    shapes: takesAllShapes(isa) ? 'all' : 'one',
    weights: ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'],
    ...(only && { only }),
  });
}
