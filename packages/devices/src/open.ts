import {
  checkOptions,
  CriaError,
  type Device,
  type DeviceProvider,
  fail,
  type ProviderOptions,
} from '@cria/tensor';
import { type DeviceChoice, deviceChoice, type DeviceName, deviceNames } from './names.ts';
import { registry, type RegistryRow } from './registry.ts';

/** A device that was asked for or found, and why it is this one. */
export interface OpenedDevice {
  readonly name: DeviceName;
  readonly device: Device;
  /** Where it came from, for people; with `auto` also why the faster ones were passed over. */
  readonly reason: string;
  /** What a user should hear where `auto` had to take a slow one. */
  readonly warning: string | undefined;
}

/** What is known of a device without opening it. */
export interface DeviceReport {
  readonly name: DeviceName;
  readonly summary: string;
  readonly available: boolean;
  /** Where it comes from, or why it is not there. */
  readonly reason: string;
  /** Label and value: instruction sets, files, what is missing and why. */
  readonly facts: readonly (readonly [string, string])[];
}

type Loaded = { readonly provider: DeviceProvider } | { readonly missing: string };

/**
 * Opens a device by name; `auto`, the default, takes the first of the registry that works here.
 * Packages that are not installed are passed over by `auto` and named in the error otherwise.
 * Throws on options that the device cannot meet: a wrong option is never a reason to take another
 * device.
 */
export async function openDevice(
  choice: DeviceChoice = 'auto',
  options: ProviderOptions = {},
): Promise<OpenedDevice> {
  const wanted = deviceChoice('openDevice', 'the device', choice);
  checkProviderOptions(options);
  if (wanted !== 'auto') return openNamed(wanted, options);
  const passedOver: string[] = [];
  for (const name of deviceNames) {
    const { provider, reason } = await look(name);
    if (!provider) {
      passedOver.push(reason);
      continue;
    }
    const { slow }: RegistryRow = registry[name];
    const why = [...passedOver, reason].join('; ');
    return {
      name,
      device: provider.open(options),
      reason: why,
      warning: slow && `${slow}: ${passedOver.join('; ')}`,
    };
  }
  return fail('openDevice', `no device works here: ${passedOver.join('; ')}.`);
}

/** Once for all, so that a device without threads refuses what the others do. */
function checkProviderOptions(options: ProviderOptions): void {
  checkOptions('openDevice', options, ['threads']);
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    fail('openDevice', `threads is ${threads}.`, 'a whole number from 1 on');
}

/** What there is here, in the order of the registry. */
export async function inspectDevices(): Promise<readonly DeviceReport[]> {
  return Promise.all(
    deviceNames.map(async (name) => {
      const { provider, reason } = await look(name).catch(asReason);
      const { summary } = registry[name];
      return { name, summary, available: provider !== undefined, reason, facts: provider?.facts?.() ?? [] };
    }),
  );
}

async function openNamed(name: DeviceName, options: ProviderOptions): Promise<OpenedDevice> {
  const { provider, reason } = await look(name);
  if (!provider)
    fail('openDevice', `the device ${name} is not here: ${reason}.`, 'auto takes the fastest that is');
  return { name, device: provider.open(options), reason, warning: undefined };
}

/**
 * A device that is there and broken, a file of other sources for instance, is no reason to say
 * nothing of the others.
 */
function asReason(error: unknown): { readonly provider: undefined; readonly reason: string } {
  if (error instanceof CriaError) return { provider: undefined, reason: error.message };
  throw error;
}

/** The provider where it can be used, and why, or why not. */
async function look(
  name: DeviceName,
): Promise<{ readonly provider: DeviceProvider | undefined; readonly reason: string }> {
  const loaded = await load(registry[name]);
  if ('missing' in loaded) return { provider: undefined, reason: loaded.missing };
  const { available, reason } = loaded.provider.check();
  return { provider: available ? loaded.provider : undefined, reason };
}

/** An absent package is a reason, any other fault in one an error. */
async function load({ from, load: loadProvider }: RegistryRow): Promise<Loaded> {
  try {
    return { provider: await loadProvider() };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException; // what import throws
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${from}'`))
      return { missing: `${from} is not installed` };
    throw error;
  }
}
