import { availableParallelism } from 'node:os';
import { describeDevice } from '@cria/tensor/conformance';
import { cpu, cpuAvailability } from '../src/index.ts';

const { isas, reason } = cpuAvailability();
if (isas.length === 0) console.log(`cpu: conformance skipped: ${reason}`);
if (isas.length === 0) describeDevice('cpu', () => undefined);
for (const isa of isas) {
  describeDevice(
    `cpu ${isa}`,
    ({ threads = Math.min(2, availableParallelism()) } = {}) => cpu({ isa, threads }),
    { threads: [1, 2, 3] },
  );
}
