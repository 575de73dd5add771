import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fail } from '@cria/tensor';

/**
 * So few bytes are read in the caller: handing them to another thread and back takes longer than
 * reading them.
 */
const READ_HERE = 1 << 17;

/** Without waiting for a writer, so that a pipe is refused instead of waited for. */
const OPEN = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

interface OpenFile {
  readonly size: number;
  /** Differs where the file is another one, or was written to. */
  readonly identity: string;
}

/**
 * A file that is read in ranges and opened anew for each: nothing to close, and a file that was
 * replaced or cut since it was first opened is refused instead of read as if it were the old one.
 */
export class RangeFile {
  readonly path: string;
  readonly size: number;
  readonly #identity: string;

  private constructor(path: string, { size, identity }: OpenFile) {
    this.path = path;
    this.size = size;
    this.#identity = identity;
  }

  static async open(op: string, path: string): Promise<RangeFile> {
    return here(op, path, (_, file) => new RangeFile(path, file));
  }

  /** Bytes `begin` to `end`, in memory of their own that is aligned for any element type. */
  async read(op: string, begin: number, end: number): Promise<Uint8Array> {
    if (!(0 <= begin && begin <= end && end <= this.size)) {
      fail(op, `${this.path}: bytes ${begin} to ${end} are outside the file of ${this.size} bytes.`);
    }
    const bytes = new Uint8Array(end - begin);
    if (bytes.length > READ_HERE) await this.#readBeside(op, bytes, begin);
    else {
      here(op, this.path, (descriptor, file) => {
        this.#check(op, file);
        readHere(op, this.path, descriptor, bytes, begin);
      });
    }
    return bytes;
  }

  #check(op: string, { identity }: OpenFile): void {
    if (identity !== this.#identity)
      fail(op, `${this.path} changed after it was opened.`, 'open the checkpoint again');
  }

  async #readBeside(op: string, bytes: Uint8Array, begin: number): Promise<void> {
    const handle = await open(this.path, OPEN).catch((error: unknown) => refuse(op, this.path, error));
    try {
      this.#check(op, about(op, this.path, handle));
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, begin + filled);
        if (bytesRead === 0) failShort(op, this.path, begin + filled, begin + bytes.length);
        filled += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
}

/** Opens a file for as long as `work` takes. */
function here<T>(op: string, path: string, work: (descriptor: number, file: OpenFile) => T): T {
  let descriptor: number;
  try {
    descriptor = openSync(path, OPEN);
  } catch (error) {
    return refuse(op, path, error);
  }
  try {
    return work(descriptor, about(op, path, descriptor));
  } finally {
    closeSync(descriptor);
  }
}

function about(op: string, path: string, descriptor: number | FileHandle): OpenFile {
  const found = fstatSync(typeof descriptor === 'number' ? descriptor : descriptor.fd);
  if (!found.isFile()) fail(op, `${path} is not a file.`);
  return { size: found.size, identity: `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` };
}

function readHere(op: string, path: string, descriptor: number, bytes: Uint8Array, begin: number): void {
  for (let filled = 0; filled < bytes.length;) {
    const count = readSync(descriptor, bytes, filled, bytes.length - filled, begin + filled);
    if (count === 0) failShort(op, path, begin + filled, begin + bytes.length);
    filled += count;
  }
}

function failShort(op: string, path: string, at: number, end: number): never {
  return fail(op, `${path} ends at byte ${at}, before ${end}.`, 'it was cut while it was read');
}

function refuse(op: string, path: string, error: unknown): never {
  const { code } = error as NodeJS.ErrnoException;
  return fail(
    op,
    `cannot open ${path} (${code}).`,
    code === 'ENOENT' ? 'there is no such file' : undefined,
    error,
  );
}
