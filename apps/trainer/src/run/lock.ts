import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail } from '@cria/tensor';

/** One process a run folder: the file holds the process id; one that a killed process left behind is taken over. */
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
    rmSync(path, { force: true });
    if (!this.#take()) fail('run', `another process took ${path} just now.`, 'try again');
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }

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

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
