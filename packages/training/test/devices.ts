import { cpu, cpuAvailability } from '@cria/cpu';
import { type Device, reference } from '@cria/tensor';

export interface DeviceCase {
  readonly name: string;
  readonly open: () => Device;
}

/** The devices this machine has; the reason where the native one is missing is printed. */
export const devices: readonly DeviceCase[] = [{ name: 'reference', open: () => reference() }, ...native()];

function native(): DeviceCase[] {
  const { available, reason } = cpuAvailability();
  if (!available) {
    process.stdout.write(`skipped on cpu: ${reason}\n`);
    return [];
  }
  return [1, 2].map((threads) => ({ name: `cpu, ${threads} threads`, open: () => cpu({ threads }) }));
}
