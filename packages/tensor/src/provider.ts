import type { Device } from './device.ts';

export interface ProviderOptions {
  /** Threads that compute, where the device has such; default one a core. */
  readonly threads?: number;
}

/** What the package of a device exports, so that others can open it by name without knowing it. */
export interface DeviceProvider {
  /** Whether the device can be opened here, and from where, or why not. Opens nothing. */
  check(): { readonly available: boolean; readonly reason: string };
  /** Throws where it is not available, and on options that it cannot meet. */
  open(options: ProviderOptions): Device;
  /** Label and value of what was found here, for people. */
  facts?(): readonly (readonly [string, string])[];
}
