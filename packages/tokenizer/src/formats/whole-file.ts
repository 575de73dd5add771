import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';

/* Copies of functions of @cria/files, since this package has no dependencies; a test keeps them equal. */

function temporarySuffix(): string {
  return `.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

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
