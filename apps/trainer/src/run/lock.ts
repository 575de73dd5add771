import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isRunning } from '@cria/files';
import { fail } from '@cria/tensor';

/**
 * One process a run folder: the file holds the process id; one that a killed process left behind is
 * taken over.
 */
export class RunLock implements Disposable {
  #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    if (this.#take()) return;
    const owner = Number(readFileSync(path, 'utf8'));
    if (isAlive(owner))
      fail(
        'run',
        `process ${owner} is training in ${dirname(path)}.`,
        'wait for it, stop it, or use another folder',
      );
    // Between this and the next line another process may do the same: only one of them makes the
    // file.
    rmSync(path, { force: true });
    if (!this.#take()) fail('run', `another process took ${path} just now.`, 'try again');
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }

  /** `wx` makes the file or fails, with nothing between looking and making. */
  #take(): boolean {
    try {
      const file = openSync(this.#path, 'wx');
      writeSync(file, String(process.pid));
      closeSync(file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }
}

/** Our own id is what a lock of before a restart may hold by chance. */
function isAlive(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isRunning(pid);
}
