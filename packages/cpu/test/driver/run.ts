// Kernels that this machine's processor cannot run, through the whole conformance suite: the
// kernels in a program of their own (cpp/driver) under qemu or in emulation, the plain oracle in
// float64 and the checks here. Run as a program:
//   run.ts neon|tiles [check…]      only checks whose "group: name" holds one of the words
// Ends with 2 and says what is missing where a tool is absent.
import { spawnSync } from 'node:child_process';
import { conformanceFailures } from '@cria/tensor/conformance';
import { buildDriver } from '../../scripts/build-driver.mjs';
import { CpuDevice } from '../../src/device.ts';
import { RemoteNative } from '../support/remote-native.ts';
import { productFailures } from './products.ts';
import { quantizerFailures } from './quantizers.ts';
import { tileAttentionFailures } from './tile-attention.ts';
import { tileFailures } from './tiles.ts';

const WEIGHTS = ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'] as const;

/**
 * What each kind runs: the command before the driver, and its instruction sets with what differs in
 * each from those before it.
 */
const kinds = {
  neon: {
    needs: ['qemu-aarch64', 'apt-get install qemu-user'],
    command: ['qemu-aarch64'],
    isas: { neon: undefined, neondot: /linear|embedding/ },
  },
  tiles: { needs: undefined, command: [], isas: { amx: undefined } },
} as const;

/** @returns how many checks failed, or what is missing */
async function run(kind: keyof typeof kinds, words: readonly string[]): Promise<number | string> {
  const { needs, command, isas } = kinds[kind];
  if (needs && spawnSync(needs[0], ['--version']).status !== 0)
    return `${needs[0]} is not here (Debian: ${needs[1]})`;
  const driver = await buildDriver(kind);
  if ('problem' in driver) return driver.problem;
  const native = new RemoteNative([...command, driver.path, 'serve']);
  let failed = 0;
  for (const [isa, only] of Object.entries(isas)) {
    const index = native.isas.findIndex(({ name }) => name === isa);
    const missing = native.isas[index]?.missing;
    if (missing !== undefined) return `${isa} cannot run here: ${missing}`;
    const open = ({ threads = 2 } = {}) => new CpuDevice({ native, isa: index, threads, background: false });
    const started = performance.now();
    const pattern = words.length > 0 ? new RegExp(words.join('|')) : only;
    const failures = [
      ...(await conformanceFailures(open, {
        threads: [1, 3],
        weights: WEIGHTS,
        ...(pattern && { only: pattern }),
      })),
      ...(await productFailures(open)),
      ...(only ? [] : await quantizerFailures(native, index)),
      ...(isa === 'amx' ? [...(await tileFailures(native)), ...(await tileAttentionFailures(native))] : []),
    ];
    for (const failure of failures) console.log(`${isa}: ${failure}`);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `${isa}: ${failures.length === 0 ? 'all checks pass' : `${failures.length} fail`} (${seconds} s)`,
    );
    failed += failures.length;
  }
  native.end();
  return failed;
}

const [kind = '', ...words] = process.argv.slice(2);
if (!(kind in kinds)) {
  console.error(`[test-driver] "${kind}" is not a kind of driver. hint: ${Object.keys(kinds).join(' or ')}`);
  process.exitCode = 2;
} else {
  const result = await run(kind as keyof typeof kinds, words);
  if (typeof result === 'string') console.error(`[test-driver] ${kind} was not tested: ${result}`);
  process.exitCode = typeof result === 'string' ? 2 : result > 0 ? 1 : 0;
}
