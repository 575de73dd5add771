import { fail } from '@cria/tensor';
import { describeWrongFile } from '@cria/tokenizer';
import { RangeFile } from './range-file.ts';

/** Enough to know a Git LFS pointer, a web page or a server's answer. */
const FRONT = 1024;

/**
 * Opens a file that should hold weights or their description; one that shows itself to be something
 * else is refused with what it is.
 */
export async function openModelFile(op: string, path: string): Promise<RangeFile> {
  const file = await RangeFile.open(op, path);
  const front = await file.read(op, 0, Math.min(FRONT, file.size));
  const wrong = describeWrongFile(front);
  if (wrong) fail(op, `${path} is ${wrong.what}.`, wrong.hint);
  return file;
}
