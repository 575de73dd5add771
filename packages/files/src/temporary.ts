import { randomBytes } from 'node:crypto';

/** Suffix of what is being written: `.tmp-<process>-<random>`, so that two writers of one name never meet. */
export function temporarySuffix(): string {
  return `.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** The process that made a temporary of this ending; undefined for any other name. */
export function writerOf(name: string): number | undefined {
  const digits = /\.tmp-(\d+)-[0-9a-f]+$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether a process is there: what one wrote that is gone, nobody finishes any more. */
export function isRunning(id: number): boolean {
  try {
    process.kill(id, 0); // asks, sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // there, and another user's
  }
}
