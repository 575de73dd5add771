import { type FileHandle, open } from 'node:fs/promises';
import { fail } from '@cria/tensor';

/**
 * A file that is read in ranges and opened anew for each: nothing to close, and a file that was replaced or cut since it was first
 * opened is refused instead of read as if it were the old one.
 */
export class RangeFile {
  readonly path: string;
  readonly size: number;
  readonly #identity: string;

  private constructor(path: string, size: number, identity: string) {
    this.path = path;
    this.size = size;
    this.#identity = identity;
  }

  static async open(op: string, path: string): Promise<RangeFile> {
    const { handle, size, identity } = await openFile(op, path);
    await handle.close();
    return new RangeFile(path, size, identity);
  }

  /** Bytes `begin` to `end`, in memory of their own that is aligned for any element type. */
  async read(op: string, begin: number, end: number): Promise<Uint8Array> {
    if (!(0 <= begin && begin <= end && end <= this.size)) {
      fail(op, `${this.path}: bytes ${begin} to ${end} are outside the file of ${this.size} bytes.`);
    }
    const { handle, identity } = await openFile(op, this.path);
    try {
      if (identity !== this.#identity)
        fail(op, `${this.path} changed after it was opened.`, 'open the checkpoint again');
      const bytes = new Uint8Array(end - begin);
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, begin + filled);
        if (bytesRead === 0)
          fail(
            op,
            `${this.path} ends at byte ${begin + filled}, before ${end}.`,
            'it was cut while it was read',
          );
        filled += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  }
}

async function openFile(
  op: string,
  path: string,
): Promise<{ handle: FileHandle; size: number; identity: string }> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    return fail(
      op,
      `cannot open ${path} (${error.code}).`,
      error.code === 'ENOENT' ? 'there is no such file' : undefined,
      error,
    );
  });
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    fail(op, `${path} is not a file.`);
  }
  return { handle, size: stat.size, identity: `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}` };
}
