import type { DeviceProvider } from '@cria/tensor';
import { cpu, cpuAvailability } from './open.ts';
import { loadWasm, wasm } from './wasm.ts';

/** The two forms of this package's device, to be opened by name. */
export const providers: { readonly cpu: DeviceProvider; readonly wasm: DeviceProvider } = {
  cpu: {
    check: () => cpuAvailability(),
    open: ({ threads }) => cpu(threads === undefined ? {} : { threads }),
    facts: nativeFacts,
  },
  wasm: {
    check() {
      const { native, reason } = loadWasm();
      return { available: native !== undefined, reason };
    },
    open: ({ threads }) => wasm(threads === undefined ? {} : { threads }),
  },
};

/** Instruction sets and the file that they came from; nothing where there is no native file. */
function nativeFacts(): readonly (readonly [string, string])[] {
  const { available, isa, isas, missing, path } = cpuAvailability();
  if (!available) return [];
  const others = isas.filter((name) => name !== isa).join(', ') || 'no other';
  const prefill = 'off; cpu({ fastPrefill: true }) is faster at quantised prompts, with other bits';
  return [
    ['instruction set', `${isa}; this machine also runs ${others}`],
    ...(isa === 'amx' ? ([['fast prefill', prefill]] as const) : []),
    ...missing.map(({ name, reason }) => [`without ${name}`, reason] as const),
    ['native file', path ?? ''],
  ];
}
