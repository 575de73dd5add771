import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Chunks, explain, writeFileAtomic } from '@cria/files';

/** A file that a conversion makes; its chunks are asked for once, in the order of the list. */
export interface OutputFile {
  readonly name: string;
  readonly chunks: () => Chunks;
}

/** Where the files of a conversion go. */
export type Output = (file: OutputFile) => Promise<void>;

/** Into a folder, which is made if need be; each file appears whole or not at all. */
export async function folderOutput(op: string, folder: string): Promise<Output> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw explain(op, `cannot make ${folder}`, error);
  }
  return async ({ name, chunks }) => {
    await writeFileAtomic(op, join(folder, name), chunks(), false);
  };
}
