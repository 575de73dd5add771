import { cpu, cpuAvailability, openDevice } from '@cria/cpu';
import { type Device, reference } from '@cria/tensor';
import type { Config } from '../config/schema.ts';

/** The device a run asked for. `say` gets the reason, once, where `auto` had to take a slower one. */
export function openRunDevice({ device, threads }: Config['run'], say: (line: string) => void): Device {
  const options = threads > 0 ? { threads } : {};
  if (device === 'reference') return reference();
  if (device === 'cpu') return cpu(options);
  const opened = openDevice(options);
  if (opened.device.name === 'reference')
    say(`computing in plain TypeScript, which is slow: ${opened.reason}`);
  else if (!cpuAvailability().available) say(`computing in wasm, slower than native: ${opened.reason}`);
  return opened.device;
}
