// Builds the wasm form of the kernels, build/cria-cpu.wasm, when sources or flags changed. The
// compiler is itself wasm and comes from npm (scripts/wasm-compiler, 100 MB, pinned by its lock
// file), so this works where there is no C++ compiler at all.
//   node scripts/build-wasm.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { objectKey } from './includes.mjs';
import { keep, kept } from './kept.mjs';
import { fingerprint, includeFolders, sources } from './sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build');
const target = join(build, 'cria-cpu.wasm');
const stamp = join(build, 'cria-cpu.wasm.sha256');
const compilerFolder = join(build, 'wasm-compiler');

/** The memory is made by JavaScript: 4 GiB less a page, reserved at once and touched as it is used. */
const MEMORY = 65535 * 65536;
const flags = [
  '-std=c++17',
  '-O3',
  '--target=wasm32-wasip1',
  '-msimd128',
  '-mbulk-memory',
  '-matomics',
  '-nostdlib',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-threadsafe-statics',
  '-fno-math-errno',
  '-ffp-contract=off',
  '-fvisibility=hidden',
  // Loop strength reduction splits what wasm adds to an address by itself into instructions of its own.
  '-mllvm',
  '-disable-lsr',
];
const link = [
  '-lm',
  '-lc',
  '-lclang_rt.builtins',
  `-Wl,-s,--no-entry,--shared-memory,--import-memory,--max-memory=${MEMORY}`,
  '-Wl,--export=__wasm_init_tls,--export=__tls_size,--export=__tls_align,--export=__stack_pointer,-z,stack-size=262144',
];

/** Exit status where the compiler could not be installed. */
export const NO_COMPILER = 3;

/** The files that the compiler sees. @returns {Record<string, any>} */
function files() {
  /** @type {Record<string, any>} */
  const tree = {};
  for (const [name, path] of Object.entries(sources('wasm'))) {
    const folders = name.split('/');
    const file = folders.pop() ?? name;
    let place = tree;
    for (const part of folders) place = place[part] ??= {};
    place[file] = readFileSync(path, 'utf8');
  }
  return tree;
}

/** The compiler's version. */
const version = () => readFileSync(join(root, 'scripts/wasm-compiler/package-lock.json'), 'utf8');

/** Hash of what decides the bytes of the file: flags, compiler and sources. */
function key() {
  return createHash('sha256')
    .update(JSON.stringify([flags, link, version(), fingerprint('wasm')]))
    .digest('hex');
}

/** What npm says went wrong, without its codes and the place of its log. @param {string} said */
function reasonOf(said) {
  const lines = said.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim());
  return (
    lines.find((line) => line !== '' && !/^(npm warn|code |errno |syscall |A complete log)/.test(line)) ?? ''
  );
}

/** Installs the compiler by its lock file; gives what went wrong, or ''. */
function installCompiler() {
  const lock = 'package-lock.json';
  const wanted = readFileSync(join(root, 'scripts/wasm-compiler', lock), 'utf8');
  const done = join(compilerFolder, 'node_modules', '.installed');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return '';
  console.log('@cria/cpu: installing the wasm compiler (@yowasp/clang, 100 MB) ...');
  mkdirSync(compilerFolder, { recursive: true });
  for (const name of ['package.json', lock])
    copyFileSync(join(root, 'scripts/wasm-compiler', name), join(compilerFolder, name));
  const installed = spawnSync(
    'npm',
    [
      'ci',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      '--fetch-retries=1',
      '--fetch-retry-mintimeout=1000',
      '--fetch-retry-maxtimeout=5000',
    ],
    {
      cwd: compilerFolder,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  );
  if (installed.status !== 0)
    return `npm could not install @yowasp/clang: ${reasonOf(`${installed.stderr ?? ''}`) || installed.error?.message}`;
  writeFileSync(done, wanted);
  return '';
}

/**
 * Sources in cpp/wasm and their own flags: one alone carries the fingerprint of all. @returns
 * {Record<string, string[]>}
 */
const units = () => ({
  isa: [],
  heap: [],
  storage: [],
  pool: [],
  exports: [`-DCRIA_SOURCES="${fingerprint('wasm')}"`],
});

/** Loads the compiler; gives a function that runs it on a tree of files and returns one of those it made. */
async function loadCompiler() {
  const entry = join(compilerFolder, 'node_modules/@yowasp/clang/gen/bundle.js');
  const { runClang, runLLVM, Exit } = await import(pathToFileURL(entry).href);
  await runLLVM(null, {}, { fetchProgress: () => undefined }); // loads the compiler without a word
  return async (
    /** @type {string[]} */ args,
    /** @type {Record<string, any>} */ tree,
    /** @type {string} */ output,
  ) => {
    const decoder = new TextDecoder();
    let said = '';
    const hear = (/** @type {Uint8Array | null} */ bytes) => {
      if (bytes) said += decoder.decode(bytes, { stream: true });
    };
    try {
      const made = await runClang(['clang++', ...args, '-o', output], tree, { stdout: hear, stderr: hear });
      return /** @type {Uint8Array} */ (made[output]);
    } catch (error) {
      if (error instanceof Exit)
        throw new Error(`${said.trimEnd()}\nclang++ could not compile the kernels`, { cause: error });
      throw error;
    }
  };
}

/** @param {string} name @param {readonly string[]} own flags */
const objectHash = (name, own) =>
  objectKey([version(), flags, own], join(root, 'cpp/wasm', `${name}.cc`), includeFolders);

/** Compiles the objects of which none is kept, and links. @returns {Promise<Uint8Array>} the module's bytes */
async function compile() {
  const clang = await loadCompiler();
  const parts = Object.entries(units()).map(([name, own]) => ({ name, own, hash: objectHash(name, own) }));
  const tree = files();
  /** @type {Record<string, Uint8Array>} */
  const objects = {};
  for (const { name, own, hash } of parts) {
    const ready = kept(hash);
    const args = [...flags, ...own, '-Icpp', '-Iattention', '-Isimd', '-c', `cpp/wasm/${name}.cc`];
    const object = ready ?? (await clang(args, tree, `${name}.o`));
    objects[`${name}.o`] = object;
    // What was edited since may or may not be in the object.
    if (!ready && objectHash(name, own) === hash) keep(hash, object);
  }
  return clang([...flags, ...Object.keys(objects), ...link], objects, 'cria-cpu.wasm');
}

/** Whether the file was built from the sources that lie here, for tests. */
export function wasmIsCurrent() {
  return existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key();
}

/** @param {Uint8Array} bytes @param {string} made key of the bytes */
function write(bytes, made) {
  mkdirSync(build, { recursive: true });
  const partial = `${target}.${process.pid}.tmp`;
  writeFileSync(partial, bytes);
  renameSync(partial, target);
  writeFileSync(stamp, made);
}

/**
 * Builds the file where it is absent or stale. `problem` says why there is none, or is empty;
 * `noCompiler` that this is because the compiler could not be installed.
 * @returns {Promise<{ problem: string, noCompiler: boolean }>}
 */
export async function buildWasm() {
  if (wasmIsCurrent()) return { problem: '', noCompiler: false };
  const made = key();
  const ready = kept(made);
  if (ready) {
    write(ready, made);
    return { problem: '', noCompiler: false };
  }
  const missing = installCompiler();
  if (missing) return { problem: missing, noCompiler: true };
  const started = performance.now();
  try {
    const bytes = await compile();
    write(bytes, made);
    if (key() === made) keep(made, bytes);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`@cria/cpu: built cria-cpu.wasm (${Math.round(bytes.length / 1024)} kB) in ${seconds} s`);
    return { problem: '', noCompiler: false };
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message, noCompiler: false };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { problem, noCompiler } = await buildWasm();
  if (problem) console.error(`[@cria/cpu build-wasm] ${problem}`);
  process.exitCode = problem === '' ? 0 : noCompiler ? NO_COMPILER : 1;
}
