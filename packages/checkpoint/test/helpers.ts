import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** An empty folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cria-checkpoint-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const fixtures = fileURLToPath(new URL('../../../../shared/fixtures/', import.meta.url));
export const data = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));

/** Whether a shared file is here; says so where not. */
export function have(path: string): boolean {
  const found = existsSync(path);
  if (!found) console.log(`skipped: ${path} is not on this machine`);
  return found;
}

export { bitsOf, fillWithBits, shapesOf, spaceOf, tiny } from './plain-states.ts';

/** A second safetensors parser, ten lines, that shares nothing with the one under test. */
export function plainParse(path: string): Record<string, { dtype: string; shape: number[]; bytes: Buffer }> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, 8 + length));
  return Object.fromEntries(
    Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(header).map(
      ([name, tensor]) => {
        const [begin, end] = tensor.data_offsets;
        return [
          name,
          {
            dtype: tensor.dtype,
            shape: tensor.shape,
            bytes: file.subarray(8 + length + begin, 8 + length + end),
          },
        ];
      },
    ),
  );
}
