import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { explain } from './explain.ts';
import { temporarySuffix } from './temporary.ts';

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface WrittenFile {
  readonly bytes: number;
  /** Hex digits; of the bytes that were meant to be written. Empty where no hash was asked for. */
  readonly sha256: string;
}

/**
 * Writes a file so that its name means the old content or all of the new: beside it, synced, then
 * renamed. On any error (disk full, read-only folder, an error of `chunks`) the old file stays and
 * the temporary one is removed.
 */
export async function writeFileAtomic(
  op: string,
  path: string,
  chunks: Chunks,
  hashed = true,
): Promise<WrittenFile> {
  const temporary = path + temporarySuffix();
  try {
    const written = await writeSynced(temporary, chunks, hashed);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return written;
  } catch (error) {
    await removeAfter(temporary);
    throw explain(op, `cannot write ${path}`, error);
  }
}

/**
 * Clears away after an error, which is the one to report: what cannot be removed now is removed by
 * a later save.
 */
export async function removeAfter(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** Writes under way at one time, so that the next chunk is made while the disk takes this one. */
const WRITES_AHEAD = 2;
/** The disk is told to begin after so many bytes, instead of getting all of a file at the end. */
const SYNC_EVERY = 1 << 27;

/** Writes a new file and waits until the disk has it. Chunks must not be changed afterwards. */
export async function writeSynced(path: string, chunks: Chunks, hashed = true): Promise<WrittenFile> {
  const hash = hashed ? createHash('sha256') : undefined;
  let bytes = 0;
  let synced = 0;
  const handle = await open(path, 'wx');
  const underWay: Promise<void>[] = [];
  let early = Promise.resolve();
  try {
    for await (const chunk of chunks) {
      if (chunk.length === 0) continue;
      if (underWay.length >= WRITES_AHEAD) await underWay.shift();
      const write = writeAll(handle, chunk, bytes);
      write.catch(() => undefined); // its turn to be awaited comes
      underWay.push(write);
      hash?.update(chunk);
      bytes += chunk.length;
      if (bytes - synced >= SYNC_EVERY) {
        synced = bytes;
        early = early.then(() => handle.datasync());
        early.catch(() => undefined);
      }
    }
    await Promise.all(underWay);
    await early;
    await handle.sync();
  } finally {
    await Promise.allSettled([...underWay, early]); // or the handle would close under a write
    await handle.close();
  }
  return { bytes, sha256: hash?.digest('hex') ?? '' };
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.length;)
    done += (await handle.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
}

/**
 * Makes renames inside a folder durable. Systems that cannot sync a folder (Windows) order them
 * themselves.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
