import { checkOptions, fail } from '@cria/tensor';
import { CpuDevice } from '../device.ts';
import { browser } from './browser-globals.ts';
import { BrowserThreads } from './browser-threads.ts';
import { MOST_PAGES, WasmNative } from './module.ts';
import { unshared } from './unshared.ts';
import { compile } from './web-assembly.ts';

export interface OpenWasmOptions {
  /** The wasm file: its bytes, or what `fetch(wasmFile)` gives. The caller fetches it: this package does not touch the network. */
  readonly file: Uint8Array | Response | Promise<Response>;
  /** Threads that compute, up to 64; default: all processors where the page is cross-origin isolated, else 1, the only number there. */
  readonly threads?: number;
  /** Bytes for all tensors together, up to 4 GiB; default 4 GiB, taken as it is touched. */
  readonly memory?: number;
  /**
   * Run flushes in a worker, so that the caller stays responsive; needs isolation too. Default: on a page where it can be had, not in a
   * worker, which may block.
   */
  readonly background?: boolean;
}

export interface OpenedWasm {
  readonly device: CpuDevice;
  /** What it runs on and why, for people. */
  readonly reason: string;
}

const PAGE = 65536;
const LEAST_PAGES = 64;
const HEADERS =
  'serve the page with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';

/**
 * The CPU device in a browser, on a page or in a worker: the kernels compiled to wasm SIMD. With threads over shared memory where the page is
 * cross-origin isolated; elsewhere one thread in the caller, over memory of its own. Disposing of the device ends its threads.
 *
 * @throws outside a browser, where the file was not found or does not compile, or where an option asks for what the page is not allowed
 */
export async function openWasm(options: OpenWasmOptions): Promise<OpenedWasm> {
  checkOptions('openWasm', options, ['file', 'threads', 'memory', 'background']);
  if (!browser.Worker)
    fail('openWasm', 'this is not a browser.', 'in Node use openDevice() or wasm() of @cria/cpu');
  const isolated = browser.crossOriginIsolated === true;
  const onPage = browser.document !== undefined;
  const {
    file,
    threads = isolated ? Math.min(64, browser.navigator?.hardwareConcurrency ?? 1) : 1,
    memory = MOST_PAGES * PAGE,
    background = isolated && onPage,
  } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 64)
    fail('openWasm', `threads is ${threads}.`, 'a whole number from 1 to 64');
  const pages = Math.min(MOST_PAGES, Math.ceil(memory / PAGE));
  if (!(pages >= LEAST_PAGES && memory <= 2 ** 32))
    fail('openWasm', `memory is ${memory} bytes.`, 'from 4 MiB to 4 GiB');
  if (!isolated && (threads > 1 || background))
    fail(
      'openWasm',
      `${threads} threads${background ? ' and background' : ''} were asked for, but this page is not cross-origin isolated.`,
      HEADERS,
    );
  const bytes = await bytesOf(await file);
  if (!isolated) {
    const native = new WasmNative(await compile(unshared(bytes)), { maySleep: true }, pages);
    const device = new CpuDevice({ native, isa: 0, threads, background });
    return { device, reason: `one thread: the page is not cross-origin isolated; ${HEADERS}` };
  }
  const started: Promise<void>[] = [];
  const pool = new BrowserThreads();
  try {
    const native = new WasmNative(
      await compile(bytes),
      {
        maySleep: !onPage,
        startThread: (start) => void started.push(pool.start(start)),
        lead: background ? (call) => pool.lead(call) : undefined,
        close: () => pool.close(),
      },
      pages,
    );
    if (background) started.push(pool.start(native.newThread(0)));
    native.startThreads(threads);
    await Promise.all(started);
    const device = new CpuDevice({ native, isa: 0, threads, background });
    const where = background ? 'lists run beside the caller' : 'lists run in the caller';
    return { device, reason: `${threads} threads over shared memory, ${where}` };
  } catch (error) {
    pool.close();
    throw error;
  }
}

async function bytesOf(file: Uint8Array | Response): Promise<Uint8Array> {
  if (file instanceof Uint8Array) return file;
  if (!(file instanceof Response))
    fail('openWasm', `file is ${String(file)}.`, 'file: fetch(wasmFile), or the bytes of build/cria-cpu.wasm');
  if (!file.ok) fail('openWasm', `the wasm file ${file.url} was not found: ${file.status} ${file.statusText}.`);
  return new Uint8Array(await file.arrayBuffer());
}
