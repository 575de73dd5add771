import { cpu, cpuAvailability } from '@cria/cpu';
import { type ComputeDType, type Device, reference } from '@cria/tensor';

export interface DeviceCase {
  readonly name: string;
  readonly open: () => Device;
}

/** The devices this machine has; the reason where the native one is missing is printed. */
export const devices: readonly DeviceCase[] = [{ name: 'reference', open: () => reference() }, ...native()];

/**
 * The devices with what they compute in. Bits at one thread are those at two (the layers' tests),
 * so one is enough in f32.
 */
export const cases: readonly (DeviceCase & { readonly dtype: ComputeDType })[] = devices.flatMap((device) =>
  (['f32', 'bf16'] as const)
    .filter((dtype) => dtype === 'bf16' || device.name !== 'cpu, 1 threads')
    .map((dtype) => ({ ...device, dtype })),
);

function native(): DeviceCase[] {
  const { available, reason } = cpuAvailability();
  if (!available) {
    process.stdout.write(`skipped on cpu: ${reason}\n`);
    return [];
  }
  return [1, 2].map((threads) => ({ name: `cpu, ${threads} threads`, open: () => cpu({ threads }) }));
}
