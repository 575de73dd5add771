import { CriaError, fail } from '@cria/tensor';

/** A system error as one of ours, with what was tried and what to do; other errors as they are. */
export function explain(op: string, what: string, error: unknown): unknown {
  if (error instanceof CriaError || !(error instanceof Error) || !('code' in error)) return error;
  const hints: Record<string, string> = {
    ENOSPC: 'the disk is full; what was there before is untouched',
    EDQUOT: 'the disk quota is used up; what was there before is untouched',
    EROFS: 'the file system is read-only',
    EACCES: 'the folder is not writable',
    EPERM: 'the folder is not writable',
    ENOENT: 'the folder does not exist',
    ENOTDIR: 'a part of the path is a file',
    EFBIG: 'the file system allows no larger file',
  };
  try {
    return fail(op, `${what} (${error.code}).`, hints[String(error.code)], error);
  } catch (explained) {
    return explained;
  }
}
