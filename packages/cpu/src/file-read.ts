import { fail, type StorageId } from '@cria/tensor';
import type { Native } from './native.ts';

/** Less than this is not worth a thread of its own; a multiple of the size of huge pages, which threads then do not share. */
const LEAST_PART = 4 << 20;

/** Reads a part of a file straight into a storage, in as many pieces at one time as the device has threads. */
export async function readFileInto(
  readFile: NonNullable<Native['readFile']>,
  device: { readonly threads: number; flush(): Promise<void> },
  [path, from, bytes, storage, offset]: [string, number, number, StorageId, number],
): Promise<void> {
  const op = 'cpu.readFile';
  for (const value of [from, bytes, offset])
    if (!Number.isSafeInteger(value) || value < 0) fail(op, `${value} is not a number of bytes.`);
  await device.flush();
  const part = Math.max(1, Math.ceil(bytes / device.threads / LEAST_PART)) * LEAST_PART;
  const starts = Array.from({ length: Math.ceil(bytes / part) }, (_, i) => i * part);
  const read = async (at: number) =>
    readFile(path, from + at, Math.min(part, bytes - at), storage, offset + at);
  // All have ended before the first error is told: the caller may free the storage then.
  for (const result of await Promise.allSettled(starts.map(read))) {
    if (result.status === 'rejected') throw result.reason;
    if (result.value) failFile(op, 'read', path, from, bytes, result.value);
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
