// The suites with a long form: which test files they are, and what tells those files to take it.

/** What the files of most suites look at. */
const HEAVY = { CRIA_HEAVY: '1' };

/**
 * Name → test files, and what is set in their environment.
 * @type {Readonly<Record<string, { readonly files: readonly string[], readonly env:
 *   Readonly<Record<string, string>> }>>}
 */
export const heavySuites = {
  isas: {
    files: [
      'packages/attention/test/native.test.ts',
      'packages/cpu/test/conformance-amx.test.ts',
      'packages/cpu/test/conformance-avx2.test.ts',
      'packages/cpu/test/conformance-avx512.test.ts',
      'packages/cpu/test/conformance-avx512bf16.test.ts',
      'packages/cpu/test/conformance-avx512vnni.test.ts',
      'packages/cpu/test/conformance-baseline.test.ts',
      'packages/cpu/test/conformance-neon.test.ts',
      'packages/cpu/test/conformance-neondot.test.ts',
      'packages/cpu/test/products.test.ts',
      'packages/cpu/test/wasm-conformance.test.ts',
      'packages/training/test/bookkeeping.test.ts',
    ],
    env: HEAVY,
  },
  soak: {
    files: [
      'apps/server/test/soak.test.ts',
      'packages/checkpoint/test/kill.test.ts',
      'packages/training/test/kill.test.ts',
      'packages/training/test/soak.test.ts',
    ],
    env: { ...HEAVY, CRIA_KILLS: '40' },
  },
  fuzz: {
    files: [
      'apps/server/test/malformed.test.ts',
      'packages/checkpoint/test/mutations.test.ts',
      'packages/checkpoint/test/safetensors.test.ts',
      'packages/checkpoint/test/training-state.test.ts',
      'packages/data/test/dataset.test.ts',
      'packages/tokenizer/test/hostile.test.ts',
    ],
    env: { ...HEAVY, CRIA_MUTATIONS: '10000', CRIA_FUZZ: '5000' },
  },
  browser: {
    files: ['apps/server/test/page.test.ts', 'packages/cpu/test/wasm-browser.test.ts'],
    env: HEAVY,
  },
};
