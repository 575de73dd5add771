import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { checkSources } from './check-sources.ts';

/** What the native file exports: plain functions over numbers (cpp/addon.cc). */
export interface Native {
  /** Zeroed memory; 0 where there is none. */
  alloc(bytes: number): number;
  free(storage: number): void;
  /** Part of a file as a storage, or a negative error number. */
  map(path: string, offset: number, bytes: number): number;
  /**
   * Part of a file into a storage, beside the event loop: an error number, 0 for none. Absent where
   * files cannot be read this way.
   */
  readonly readFile?:
    | ((path: string, from: number, bytes: number, storage: number, offset: number) => Promise<number>)
    | undefined;
  write(storage: number, offset: number, data: Uint8Array): void;
  read(storage: number, offset: number, data: Uint8Array): void;
  /** How the list ended: see outcome.ts. Lists of one pool run in turn; 0, the default, is everyone's. */
  run(list: Float64Array, length: number, threads: number, isa: number, pool?: number): number;
  runAsync(list: Float64Array, length: number, threads: number, isa: number, pool?: number): Promise<number>;
  /**
   * A pool of threads for one device, whose lists run beside those of others. Absent where there is
   * one pool only, which takes no calls.
   */
  openPool?(): number;
  closePool?(pool: number): void;
  /** Bytes of all storages of the process. */
  liveBytes(): number;
  /** Ends what belongs to one device alone. Absent where it lives as long as the process. */
  close?(): void;
  /**
   * Fingerprint of the C++ sources that it was compiled from (sources.ts). Absent in files that are
   * older than fingerprints.
   */
  readonly sources?: string | undefined;
  /** Fingerprint of the layout of commands that its kernels read (generated/commands.ts). Absent in older files. */
  readonly layout?: string | undefined;
  /** Names of the operations, in the order of their codes. */
  readonly operations: readonly string[];
  /** Instruction sets of this kind of processor, fastest first. */
  readonly isas: readonly NativeIsa[];
}

export interface NativeIsa {
  readonly name: string;
  readonly available: boolean;
  /** Why it is not available: processor, system or compiler. */
  readonly missing?: string | undefined;
  /** Width of a packed panel. */
  readonly panel: number;
}

export interface LoadResult {
  readonly native: Native | undefined;
  readonly path: string | undefined;
  /** Where the file came from, or why there is none. */
  readonly reason: string;
}

/** Where native files are looked for; each is tried in turn. */
export interface Places {
  /** Package of this platform, as npm installs it. */
  readonly packageName: string;
  /** File that scripts/build.mjs makes. */
  readonly built: string;
  /** Why the build made none. */
  readonly recorded: string;
}

const REBUILD = 'rebuild: node packages/cpu/scripts/build.mjs (and npm run build, where dist/ is in use)';
const require = createRequire(import.meta.url);
let loaded: LoadResult | undefined;

/**
 * Loads the native file once a process: from the platform's package, else the locally built one.
 * Throws where the file found goes with other TypeScript than this; where there is none, or none
 * that loads, the reason says so.
 */
export function loadNative(): LoadResult {
  return (loaded ??= loadFrom(places()));
}

export function loadFrom({ packageName, built, recorded }: Places): LoadResult {
  const installed = resolve(packageName);
  if (installed !== undefined) {
    const result = open(installed, `from the package ${packageName}`);
    if (result.native) return ours(result, `install ${packageName} in the version of @cria/cpu`);
    if (!existsSync(built)) return result;
  }
  if (existsSync(built)) return ours(open(built, 'built on this machine'), REBUILD);
  const why = existsSync(recorded)
    ? recordedReason(recorded)
    : 'it was not built here (packages/cpu/scripts/build.mjs does that)';
  return {
    native: undefined,
    path: undefined,
    reason: `no native file: the package ${packageName} is not installed, and ${why}`,
  };
}

/** The platform's places, beside this package. */
export function places(): Places {
  const build = new URL('../build/', import.meta.url);
  return {
    packageName: `@cria/cpu-${process.platform}-${process.arch}${libc()}`,
    built: fileURLToPath(new URL(`cria-cpu-${process.platform}-${process.arch}.node`, build)),
    recorded: fileURLToPath(new URL('reason.json', build)),
  };
}

function open(path: string, from: string): LoadResult {
  try {
    return { native: require(path) as Native, path, reason: from };
  } catch (error) {
    return {
      native: undefined,
      path,
      reason: `the native file ${path} does not load: ${(error as Error).message}`,
    };
  }
}

function ours(result: LoadResult, hint: string): LoadResult {
  if (result.native) checkSources('native', result.native, `the native file ${result.path}`, hint);
  return result;
}

function resolve(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined; // not installed: the next place is tried
  }
}

function recordedReason(path: string): string {
  const { reason } = JSON.parse(readFileSync(path, 'utf8')) as { reason?: string };
  return reason ?? 'its build left no reason';
}

/** Linux packages are made for one C library. */
function libc(): string {
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? '-musl' : '-gnu';
}
