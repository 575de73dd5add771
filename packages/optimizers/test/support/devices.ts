import { cpu, cpuAvailability } from '@cria/cpu';
import { type Device, reference } from '@cria/tensor';

export interface TestDevice {
  readonly name: string;
  readonly open: (threads?: number) => Device;
}

/** Every device of this machine, to run a suite once for each: `describe.each(devices)`. */
export const devices: TestDevice[] = [{ name: 'reference', open: () => reference() }];

const { available, reason } = cpuAvailability();
if (available) devices.push({ name: 'cpu', open: (threads) => cpu(threads ? { threads } : {}) });
else console.log(`optimizers: no tests on the native device: ${reason}`);
