import { openDevice } from '@cria/devices';
import type { Device } from '@cria/tensor';
import type { Config } from '../config/schema.ts';

/** The device a run asked for. `say` gets the reason, once, where `auto` had to take a slower one. */
export async function openRunDevice(
  { device, threads }: Pick<Config['run'], 'device' | 'threads'>,
  say: (line: string) => void,
): Promise<Device> {
  const opened = await openDevice(device, threads > 0 ? { threads } : {});
  if (opened.warning !== undefined) say(opened.warning);
  return opened.device;
}
