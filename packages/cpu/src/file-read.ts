import { fail, type StorageId } from '@cria/tensor';
import type { Native } from './native.ts';

/** Read by one thread at one go; a multiple of the size of huge pages, which threads then do not share. */
const PART = 16 << 20;

interface Flushable {
  readonly threads: number;
  flush(): Promise<void>;
}

type Place = readonly [path: string, from: number, bytes: number, storage: StorageId, offset: number];

/**
 * Reads parts of files straight into storages, as many pieces at one time as the device has
 * threads, whoever asked for them.
 */
export class FileReads {
  readonly #readFile: NonNullable<Native['readFile']>;
  readonly #device: Flushable;
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readFile: NonNullable<Native['readFile']>, device: Flushable) {
    this.#readFile = readFile;
    this.#device = device;
  }

  async read(...[path, from, bytes, storage, offset]: Place): Promise<void> {
    const op = 'cpu.readFile';
    for (const value of [from, bytes, offset])
      if (!Number.isSafeInteger(value) || value < 0) fail(op, `${value} is not a number of bytes.`);
    await this.#device.flush();
    const parts = Array.from({ length: Math.ceil(bytes / PART) }, (_, i) => i * PART);
    const reads = parts.map((at) =>
      this.#readPart(path, from + at, Math.min(PART, bytes - at), storage, offset + at),
    );
    // All have ended before the first error is told: the caller may free the storage then.
    for (const result of await Promise.allSettled(reads)) {
      if (result.status === 'rejected') throw result.reason;
      if (result.value) failFile(op, 'read', path, from, bytes, result.value);
    }
  }

  async #readPart(...place: Place): Promise<number> {
    while (this.#underWay >= this.#device.threads)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#underWay++;
    try {
      return await this.#readFile(...place);
    } finally {
      this.#underWay--;
      this.#waiting.shift()?.();
    }
  }
}

export function failFile(
  op: string,
  verb: string,
  path: string,
  from: number,
  bytes: number,
  code: number,
): never {
  const reasons: Record<number, string> = {
    2: 'there is no such file',
    13: 'it may not be read',
    21: 'it is a folder',
    34: 'it is shorter',
    38: 'there are no files here',
  };
  fail(
    op,
    `cannot ${verb} bytes ${from} to ${from + bytes} of ${path}: ${reasons[code] ?? `error ${code}`}.`,
  );
}
