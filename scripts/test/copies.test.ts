// Packages without dependencies keep copies of a few small functions: the same text, or one of them was mended alone.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../lib/workspace.mjs';

/** Each function with the file that it belongs to, and the files that hold a copy. */
const copies = [
  ['editDistance', 'tensor/src/errors.ts', 'tokenizer/src/errors.ts', 'attention/src/errors.ts'],
  ['temporarySuffix', 'files/src/temporary.ts', 'tokenizer/src/formats/whole-file.ts'],
  ['writeWhole', 'files/src/whole.ts', 'tokenizer/src/formats/whole-file.ts'],
] as const;

/** A function of the outermost level: from its name to the first brace at the start of a line. */
function textOf(name: string, file: string): string {
  const source = readFileSync(join(root, 'packages', file), 'utf8');
  const text = new RegExp(`^(?:export )?(function ${name}\\([^]*?\\n\\}\\n)`, 'm').exec(source)?.[1];
  if (text === undefined) throw new Error(`${file} has no function ${name}`);
  return text;
}

it.each<readonly [string, string, ...string[]]>(copies)(
  '%s of %s has equal copies',
  (name, home, ...others) => {
    for (const file of others) expect(textOf(name, file), file).toBe(textOf(name, home));
  },
);
