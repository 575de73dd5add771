import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A Python that waits for orders, so that what is measured is a warm program: for each line it
 * prints the seconds of one run.
 */
export class PythonPeer implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** `body`: the indented body of `def run(what)`, which gives seconds. */
  constructor(python: string, threads: number, body: string) {
    const program = `
import sys, time, torch
from safetensors import safe_open
from safetensors.torch import load_file
torch.set_num_threads(${threads})
def run(what):
${body}
for line in sys.stdin: print(run(line.strip()), flush=True)`;
    this.#child = spawn(python, ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async seconds(what: string): Promise<number> {
    this.#child.stdin!.write(`${what}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`[bench] the Python peer ended at "${what}".`);
    return Number(value);
  }

  [Symbol.dispose](): void {
    this.#child.stdin!.end();
  }
}

/** Programs of a build of llama.cpp, and its headers where they are given. */
export class LlamaCpp {
  readonly #bin: string;
  readonly #source: string | undefined;

  constructor(build: string, source: string | undefined) {
    this.#bin = join(build, 'bin');
    this.#source = source;
  }

  /** Seconds of llama-quantize, and of `sync` afterwards. */
  async quantise(from: string, to: string, mix: string, threads: number): Promise<[number, number]> {
    const began = performance.now();
    await this.#run('llama-quantize', [from, to, mix, String(threads)]);
    const written = performance.now();
    spawnSync('sync', [to]);
    return [(written - began) / 1000, (performance.now() - written) / 1000];
  }

  /** Median seconds to map a model, 21 times in one warm process; undefined where the headers are not here. */
  openModel(path: string, folder: string): number | undefined {
    if (this.#source === undefined) return undefined;
    const program = join(folder, 'open-gguf');
    if (!existsSync(program)) {
      const includes = ['include', 'ggml/include'].map((name) => `-I${join(this.#source!, name)}`);
      const libraries = ['-lllama', '-lggml', '-lggml-base', '-lggml-cpu'];
      const from = fileURLToPath(new URL('open-gguf.cc', import.meta.url));
      const link = [`-L${this.#bin}`, ...libraries, `-Wl,-rpath,${this.#bin}`];
      const made = spawnSync('g++', ['-O2', '-std=c++17', ...includes, from, '-o', program, ...link], {
        encoding: 'utf8',
      });
      if (made.status !== 0) throw new Error(`[bench] ${made.stderr.slice(-2000)}`);
    }
    const result = spawnSync(program, [path], { encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`[bench] ${result.stderr.slice(-2000)}`);
    return Number(result.stdout.trim());
  }

  async #run(name: string, args: readonly string[]): Promise<void> {
    const env = { ...process.env, LD_LIBRARY_PATH: this.#bin };
    const child = spawn(join(this.#bin, name), args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (data) => (errors = (errors + String(data)).slice(-2000)));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`[bench] ${name} ended with ${code}: ${errors}`);
  }
}
