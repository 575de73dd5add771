import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { temporarySuffix } from './temporary.ts';

/** Writes a small file at once: it is there with all of its content, or the old one stays. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = path + temporarySuffix();
  try {
    writeFileSync(temporary, content, { flush: true });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
