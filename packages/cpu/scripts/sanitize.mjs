// Random calls of every kernel under sanitizers, without Node (cpp/driver): addresses and undefined
// behaviour, then threads.
//   node scripts/sanitize.mjs [--calls 100000] [--all] [--seed 1]
// For this processor's own instruction sets (those whose code makes its table of kernels), or
// `--all` and emulated tiles. In slices, each with a seed and a line of its own, so that a failure
// can be run again by itself: build/driver-address LISTS SEED.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { buildDriver } from './build-driver.mjs';

/** Lists of a slice; a list has 3.5 calls on average. */
const SLICE = 1000;
/**
 * The thread sanitizer looks for races, which need no odd shapes, and tiles are few of the kernels:
 * a tenth of the calls is enough.
 */
const SHARE = { address: 1, thread: 0.1, 'tiles-address': 0.1 };

const environment = {
  ...process.env,
  ASAN_OPTIONS: 'detect_leaks=1:halt_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  TSAN_OPTIONS: 'halt_on_error=1',
};

/** @param {string} path @param {number} seed @returns {Promise<{ status: number, calls: number, output: string }>} */
async function slice(path, seed) {
  const { status, output } = await program(path, [String(SLICE), String(seed)]);
  const calls = Number(/^(\d+) commands, 0 bytes left$/m.exec(output)?.[1] ?? NaN);
  return { status, calls, output };
}

/** @param {string} path @param {readonly string[]} words @returns {Promise<{ status: number, output: string }>} */
function program(path, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(path, words, {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ status: code ?? 1, output }));
  });
}

/** Several pools side by side, whose lists wait for each other. @param {string} path @returns {Promise<boolean>} */
async function pools(path) {
  const { status, output } = await program(path, ['pools']);
  if (status === 0) console.log(output.trimEnd());
  else console.error(`${output.trimEnd()}\n[sanitize] ${path} pools ended with status ${status}`);
  return status === 0;
}

async function main() {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      all: { type: 'boolean', default: false },
    },
  });
  const wanted = Number(values.calls);
  const first = Number(values.seed);
  if (!(wanted > 0) || !Number.isInteger(first)) {
    console.error(`[sanitize] --calls ${values.calls} --seed ${values.seed}. hint: whole numbers above 0`);
    return 2;
  }
  for (const kind of /** @type {(keyof typeof SHARE)[]} */ (Object.keys(SHARE))) {
    if (kind === 'tiles-address' && !values.all) continue;
    const driver = await buildDriver(kind, { all: values.all });
    if ('problem' in driver) {
      console.error(`[sanitize] ${driver.problem}`);
      return 2;
    }
    if (kind !== 'tiles-address' && !(await pools(driver.path))) return 1;
    const calls = Math.ceil(wanted * SHARE[kind]);
    const started = performance.now();
    for (let done = 0, seed = first; done < calls; seed++) {
      const result = await slice(driver.path, seed);
      if (result.status !== 0 || !(result.calls > 0)) {
        console.error(result.output.trimEnd());
        console.error(`[sanitize] build/driver-${kind} ${SLICE} ${seed} ended with status ${result.status}`);
        return 1;
      }
      done += result.calls;
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.log(`${kind}: ${done} of ${calls} calls, seed ${seed}, ${seconds} s`);
    }
  }
  return 0;
}

process.exitCode = await main();
