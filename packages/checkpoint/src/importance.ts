import { fail } from '@cria/tensor';
import { decodeNumbers } from './convert.ts';
import { GgufFile } from './gguf/reader.ts';
import { fromGgufName } from './names.ts';
import { openModelFile } from './model-file.ts';
import type { RangeFile } from './range-file.ts';

/*
 * Activation statistics of llama.cpp's `llama-imatrix`: for every weight, the mean squared value of
 * each of its inputs. Newer files are GGUF (tensors `NAME.in_sum2` and `NAME.counts`), older ones a
 * list of names and numbers.
 */

const op = 'readImportance';
const MOST_BYTES = 1 << 30;

/**
 * Mean squared activations by canonical name, one number a column. Names that LLaMA has not are
 * left out.
 */
export async function readImportance(path: string): Promise<ReadonlyMap<string, Float32Array>> {
  const file = await openModelFile(op, path);
  if (file.size > MOST_BYTES) fail(op, `${path} has ${file.size} bytes, more than ${MOST_BYTES}.`);
  const start = Buffer.from(await file.read(op, 0, Math.min(4, file.size)));
  const found = start.toString('latin1') === 'GGUF' ? await readGgufForm(path) : await readOldForm(file);
  if (found.size === 0)
    fail(op, `${path} holds no activation statistics of a LLaMA.`, 'give a file of llama-imatrix');
  for (const [name, values] of found) {
    if (!values.every((value) => Number.isFinite(value) && value >= 0))
      fail(op, `${path}: the statistics of ${name} hold a negative number, a NaN or an infinity.`);
  }
  return found;
}

async function readGgufForm(path: string): Promise<Map<string, Float32Array>> {
  const file = await GgufFile.open(path);
  const found = new Map<string, Float32Array>();
  for (const { name, dtype, shape } of file.tensors.values()) {
    const stored = /^(.+)\.in_sum2$/.exec(name)?.[1];
    const canonical = stored && fromGgufName(stored);
    if (!canonical) continue;
    const counts = file.tensors.get(`${stored}.counts`);
    if (dtype !== 'f32' || counts?.dtype !== 'f32' || shape.slice(0, -1).some((extent) => extent !== 1))
      fail(
        op,
        `${path}: "${name}" is ${dtype}[${shape.join(', ')}], its counts ${counts?.dtype ?? 'missing'}.`,
      );
    const sums = decodeNumbers(await file.read(name), 'f32');
    const [count = 0] = decodeNumbers(await file.read(counts.name), 'f32');
    found.set(
      canonical,
      Float32Array.from(sums, (sum) => (count > 0 ? sum / count : 1)),
    );
  }
  return found;
}

/**
 * i32 entries; each i32 length, name, i32 calls, i32 columns, columns × f32 (summed over the
 * calls).
 */
async function readOldForm(file: RangeFile): Promise<Map<string, Float32Array>> {
  const bytes = Buffer.from(await file.read(op, 0, file.size));
  let at = 0;
  const take = (length: number): number => {
    if (length < 0 || at + length > bytes.length)
      fail(
        op,
        `${file.path} ends at byte ${bytes.length}, inside an entry.`,
        'is it a file of llama-imatrix?',
      );
    at += length;
    return at - length;
  };
  const whole = () => bytes.readInt32LE(take(4));
  const found = new Map<string, Float32Array>();
  const entries = whole();
  for (let i = 0; i < entries; i++) {
    const length = whole();
    const nameAt = take(length);
    const name = fromGgufName(bytes.toString('utf8', nameAt, nameAt + length));
    const [calls, columns] = [whole(), whole()];
    const valuesAt = take(4 * columns);
    const values = Float32Array.from({ length: columns }, (_, c) => bytes.readFloatLE(valuesAt + 4 * c));
    if (name !== undefined) found.set(name, calls > 0 ? values.map((value) => value / calls) : values);
  }
  return found;
}
