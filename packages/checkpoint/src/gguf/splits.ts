import { existsSync } from 'node:fs';
import { fail } from '@cria/tensor';
import { GgufFile } from './reader.ts';

/** How llama.cpp's gguf-split names the parts of a model: `name-00001-of-00003.gguf`. */
const PART = /-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * All parts of a model that was split into several GGUF files, the first one first: it holds the
 * metadata. One file where it was not. Any part's path will do. Throws where a part is missing, or
 * belongs to another model.
 */
export async function openSplits(op: string, path: string): Promise<GgufFile[]> {
  const named = await GgufFile.open(path);
  const count = splitNumber(op, named, 'count') ?? 1;
  if (count <= 1) return [named];
  if (!PART.test(path))
    fail(
      op,
      `${path} is one of ${count} parts of a model, and its name does not tell where the others are.`,
      'name them as gguf-split does: model-00001-of-00003.gguf',
    );
  const files: GgufFile[] = [];
  const digits = (value: number) => String(value).padStart(5, '0');
  for (let i = 0; i < count; i++) {
    const part = path.replace(PART, `-${digits(i + 1)}-of-${digits(count)}.gguf`);
    if (!existsSync(part)) fail(op, `${path} is one of ${count} parts of a model, and ${part} is not there.`);
    const file = part === path ? named : await GgufFile.open(part);
    if (splitNumber(op, file, 'count') !== count || splitNumber(op, file, 'no') !== i)
      fail(op, `${part} does not say that it is part ${i + 1} of ${count}.`, 'is it of another model?');
    files.push(file);
  }
  checkWhole(op, files);
  return files;
}

/** Every tensor once, and as many as the first part promises. */
function checkWhole(op: string, files: readonly GgufFile[]): void {
  const [first] = files;
  const seen = new Map<string, string>();
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      const other = seen.get(name);
      if (other !== undefined) fail(op, `"${name}" is in ${other} and in ${file.path}.`);
      seen.set(name, file.path);
    }
  }
  const promised = first && splitNumber(op, first, 'tensors.count');
  if (first && promised !== undefined && promised !== seen.size)
    fail(op, `${first.path} promises ${promised} tensors, the parts have ${seen.size}.`);
}

function splitNumber(op: string, file: GgufFile, key: 'count' | 'no' | 'tensors.count'): number | undefined {
  const entry = file.metadata.get(`split.${key}`);
  if (!entry) return undefined;
  if (entry.type === 'array' || typeof entry.value !== 'number')
    return fail(op, `${file.path}: split.${key} is ${entry.type}.`, 'it must be a number');
  return entry.value;
}
