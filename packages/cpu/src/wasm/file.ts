import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';

/** Where a file ends too early: ERANGE, as native mapping says. */
const ERANGE = 34;
/** Largest piece of one read. */
const PIECE = 1 << 30;

/** Fills `into` from byte `offset` of a file; 0, or a system error number. */
export function readFilePart(path: string, offset: number, into: Uint8Array): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return errorNumber(error);
  }
  try {
    for (let at = 0; at < into.byteLength;) {
      const read = readSync(file, into, at, Math.min(PIECE, into.byteLength - at), offset + at);
      if (read === 0) return ERANGE;
      at += read;
    }
    return 0;
  } catch (error) {
    return errorNumber(error);
  } finally {
    closeSync(file);
  }
}

/** The number behind a system error's name; others are thrown on. */
function errorNumber(error: unknown): number {
  const number = constants.errno[(error as NodeJS.ErrnoException).code as keyof typeof constants.errno];
  if (number === undefined) throw error;
  return number;
}
