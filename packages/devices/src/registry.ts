import { type DeviceProvider, referenceProvider } from '@cria/tensor';

/** A device that may be there: where it comes from, and what to say where `auto` has nothing faster. */
export interface RegistryRow {
  /** A few words for people: what it computes with. */
  readonly summary: string;
  /** The optional peer that holds it. */
  readonly from: string;
  readonly load: () => Promise<DeviceProvider>;
  /** What a user should hear who asked for nothing and got this. */
  readonly slow?: string;
}

/**
 * Every device by its name, the fastest first: `auto` takes the first that works. Names of flags,
 * configurations and protocols follow from this table, so a new device is a package and a row.
 */
export const registry = {
  cpu: {
    summary: 'native',
    from: '@cria/cpu',
    load: async () => (await import('@cria/cpu')).providers.cpu,
  },
  wasm: {
    summary: 'wasm SIMD',
    from: '@cria/cpu',
    load: async () => (await import('@cria/cpu')).providers.wasm,
    slow: 'computing in wasm, slower than native',
  },
  reference: {
    summary: 'plain TypeScript',
    from: '@cria/tensor',
    load: async () => referenceProvider,
    slow: 'computing in plain TypeScript, which is slow',
  },
} as const satisfies Readonly<Record<string, RegistryRow>>;
