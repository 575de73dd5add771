import { checkOptions, fail } from '@cria/tensor';
import { checkSources } from '../check-sources.ts';
import { CpuDevice } from '../device.ts';
import { browser } from './browser-globals.ts';
import { BrowserThreads } from './browser-threads.ts';
import { MOST_PAGES, MOST_THREADS, type WasmHost, WasmNative } from './module.ts';
import { unshared } from './unshared.ts';
import { compile, type WasmModule } from './web-assembly.ts';

export interface OpenWasmOptions {
  /**
   * The wasm file: its bytes, or what `fetch(wasmFile)` gives. The caller fetches it: this package
   * does not touch the network.
   */
  readonly file: Uint8Array | Response | Promise<Response>;
  /**
   * Threads that compute, up to 64; default: all processors where the page is cross-origin
   * isolated, else 1, the only number there.
   */
  readonly threads?: number;
  /** Bytes for all tensors together, up to 4 GiB; default 4 GiB, taken as it is touched. */
  readonly memory?: number;
  /**
   * Run flushes in a worker, so that the caller stays responsive; needs isolation too. Default: on
   * a page where it can be had, not in a worker, which may block.
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
  'serve the page with the headers Cross-Origin-Opener-Policy: same-origin and ' +
  'Cross-Origin-Embedder-Policy: require-corp';

/** The kernels in a browser, and on how many threads they run. */
export interface BrowserNative {
  readonly native: WasmNative;
  readonly threads: number;
  readonly background: boolean;
  readonly reason: string;
}

/**
 * The CPU device in a browser, on a page or in a worker: the kernels compiled to wasm SIMD. With
 * threads over shared memory where the page is cross-origin isolated; elsewhere one thread in the
 * caller, over memory of its own. Disposing of the device ends its threads.
 *
 * @throws outside a browser, where the file was not found or does not compile, or where an option
 *   asks for what the page is not allowed
 */
export async function openWasm(options: OpenWasmOptions): Promise<OpenedWasm> {
  const { native, threads, background, reason } = await openNative(options);
  return { device: new CpuDevice({ native, isa: 0, threads, background }), reason };
}

/** What `openWasm` makes a device of. */
export async function openNative(options: OpenWasmOptions): Promise<BrowserNative> {
  checkOptions('openWasm', options, ['file', 'threads', 'memory', 'background']);
  if (!browser.Worker)
    fail('openWasm', 'this is not a browser.', 'in Node use openDevice() or wasm() of @cria/cpu');
  const isolated = browser.crossOriginIsolated === true;
  const onPage = browser.document !== undefined;
  const {
    file,
    threads = isolated ? Math.min(MOST_THREADS, browser.navigator?.hardwareConcurrency ?? 1) : 1,
    memory = MOST_PAGES * PAGE,
    background = isolated && onPage,
  } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
    fail('openWasm', `threads is ${threads}.`, `a whole number from 1 to ${MOST_THREADS}`);
  const pages = Math.min(MOST_PAGES, Math.ceil(memory / PAGE));
  if (!(pages >= LEAST_PAGES && memory <= 2 ** 32))
    fail('openWasm', `memory is ${memory} bytes.`, 'from 4 MiB to 4 GiB');
  if (!isolated && (threads > 1 || background)) {
    const asked = `threads ${threads}, background ${background}`;
    fail('openWasm', `${asked}: not on a page that is not cross-origin isolated.`, HEADERS);
  }
  const bytes = await bytesOf(await file);
  if (!isolated) {
    const native = new WasmNative(await compile(unshared(bytes)), { maySleep: true }, pages);
    const reason = `one thread: the page is not cross-origin isolated; ${HEADERS}`;
    return ours({ native, threads, background, reason });
  }
  const native = await withThreads(await compile(bytes), { threads, background, pages, maySleep: !onPage });
  const reason = `threads over shared memory, lists run ${background ? 'beside' : 'in'} the caller`;
  return ours({ native, threads, background, reason });
}

/** Refuses kernels that go with other TypeScript, say from a page's cache, and ends their threads. */
function ours(opened: BrowserNative): BrowserNative {
  try {
    checkSources(
      'wasm',
      opened.native,
      'the wasm file',
      'serve build/cria-cpu.wasm of this version of @cria/cpu',
    );
    return opened;
  } catch (error) {
    opened.native.close();
    throw error;
  }
}

interface ThreadOptions {
  readonly threads: number;
  readonly background: boolean;
  readonly pages: number;
  readonly maySleep: boolean;
}

/** The module with all its threads, which take work. */
async function withThreads(
  module: WasmModule,
  { threads, background, pages, maySleep }: ThreadOptions,
): Promise<WasmNative> {
  const pool = new BrowserThreads();
  const started: Promise<void>[] = [];
  const host: WasmHost = {
    maySleep,
    startThread: (start) => void started.push(pool.start(start)),
    lead: background ? (call) => pool.lead(call) : undefined,
    close: () => pool.close(),
  };
  try {
    const native = new WasmNative(module, host, pages);
    if (background) started.push(pool.start(native.newThread(0)));
    native.startThreads(threads);
    await Promise.all(started);
    return native;
  } catch (error) {
    pool.close();
    throw error;
  }
}

async function bytesOf(file: Uint8Array | Response): Promise<Uint8Array> {
  if (file instanceof Uint8Array) return file;
  if (!(file instanceof Response))
    fail(
      'openWasm',
      `file is ${String(file)}.`,
      'file: fetch(wasmFile), or the bytes of build/cria-cpu.wasm',
    );
  if (!file.ok)
    fail('openWasm', `the wasm file ${file.url} was not found: ${file.status} ${file.statusText}.`);
  return new Uint8Array(await file.arrayBuffer());
}
