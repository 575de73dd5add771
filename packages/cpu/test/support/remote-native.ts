// The native interface served by another program over pipes (cpp/driver/serve.cc): kernels of
// another processor under qemu, or a build under a sanitizer, as a device in this process.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Native } from '../../src/native.ts';

const requests = { describe: 0, alloc: 1, free: 2, write: 3, read: 4, run: 5, liveBytes: 6, map: 7 };

export class RemoteNative implements Native {
  readonly operations: readonly string[];
  readonly isas: Native['isas'];
  readonly #to: number;
  readonly #from: number;

  /** `command` is run with its requests on standard input; what it says on standard error is passed on. */
  constructor(command: readonly string[]) {
    const folder = mkdtempSync(join(tmpdir(), 'cria-remote-'));
    try {
      const [to, from] = [join(folder, 'to'), join(folder, 'from')];
      const made = spawnSync('mkfifo', [to, from]);
      if (made.status !== 0) throw new Error(`mkfifo failed: ${made.stderr}`);
      // The shell opens both ends whatever becomes of the command, so that neither side waits for ever.
      const run = 'to=$1 from=$2; shift 2; exec "$@" <"$to" >"$from"';
      const child = spawn('sh', ['-c', run, 'sh', to, from, ...command], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      child.unref();
      this.#to = openSync(to, 'w');
      this.#from = openSync(from, 'r');
    } finally {
      rmSync(folder, { recursive: true });
    }
    const [operations = '', ...isas] = new TextDecoder().decode(this.#ask('describe').data).split('\n');
    this.operations = operations.trim().split(' ');
    this.isas = isas.map((line) => {
      const [name = '', panel, ...missing] = line.split(' ');
      return {
        name,
        panel: Number(panel),
        available: missing.length === 0,
        missing: missing.join(' ') || undefined,
      };
    });
  }

  alloc(bytes: number): number {
    return this.#ask('alloc', [bytes]).result;
  }

  free(storage: number): void {
    this.#ask('free', [storage]);
  }

  map(path: string, offset: number, bytes: number): number {
    return this.#ask('map', [offset, bytes], new TextEncoder().encode(path)).result;
  }

  write(storage: number, offset: number, data: Uint8Array): void {
    this.#ask('write', [storage, offset], data);
  }

  read(storage: number, offset: number, data: Uint8Array): void {
    data.set(this.#ask('read', [storage, offset, data.byteLength]).data);
  }

  run(list: Float64Array, length: number, threads: number, isa: number): number {
    return this.#ask('run', [threads, isa], new Uint8Array(list.buffer, list.byteOffset, 8 * length)).result;
  }

  runAsync(list: Float64Array, length: number, threads: number, isa: number): Promise<number> {
    return Promise.resolve(this.run(list, length, threads, isa));
  }

  liveBytes(): number {
    return this.#ask('liveBytes').result;
  }

  /** Ends the program. (Not `close`, which a device that is disposed of calls.) */
  end(): void {
    closeSync(this.#to);
    closeSync(this.#from);
  }

  #ask(what: keyof typeof requests, numbers: readonly number[] = [], data: Uint8Array = new Uint8Array(0)) {
    const head = new Float64Array(6);
    head.set([requests[what], ...numbers]);
    head[5] = data.byteLength;
    this.#send(new Uint8Array(head.buffer));
    this.#send(data);
    const [result = 0, bytes = 0] = new Float64Array(this.#receive(16).buffer);
    return { result, data: this.#receive(bytes) };
  }

  #send(data: Uint8Array): void {
    for (let done = 0; done < data.byteLength;) done += writeSync(this.#to, data, done);
  }

  #receive(bytes: number): Uint8Array {
    const data = new Uint8Array(bytes);
    for (let done = 0; done < bytes;) {
      const count = readSync(this.#from, data, done, bytes - done, null);
      if (count === 0) throw new Error('the program that serves the kernels ended');
      done += count;
    }
    return data;
  }
}
