import { stat } from 'node:fs/promises';
import { fail } from '@cria/tensor';
import type { Checkpoint } from './checkpoint.ts';
import { openHuggingFaceFolder, openSafetensorsModel } from './huggingface/folder.ts';
import { openLlama2c } from './llama2c.ts';
import { RangeFile } from './range-file.ts';
import { isTrainingState, loadTrainingState } from './training-state/load.ts';

/**
 * Opens the weights at a path, whatever format it holds: a Hugging Face folder, a safetensors file with `config.json` beside it, a
 * llama2.c `.bin`, a training state (every byte of which is checked), or a folder of training states (the newest is taken).
 * Only headers are read, but for training states.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const op = 'openCheckpoint';
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    return fail(
      op,
      `cannot open ${path} (${error.code}).`,
      error.code === 'ENOENT' ? 'there is no such file or folder' : undefined,
      error,
    );
  });
  if (!found.isDirectory()) return openFile(op, path);
  if (!(await isTrainingState(path))) return openHuggingFaceFolder(path);
  const { folder } = await loadTrainingState(path);
  return openHuggingFaceFolder(folder, 'training-state');
}

/** By content: names lie, and `.bin` means many things. */
async function openFile(op: string, path: string): Promise<Checkpoint> {
  const file = await RangeFile.open(op, path);
  const start = Buffer.from(await file.read(op, 0, Math.min(16, file.size)));
  if (start.toString('latin1', 0, 4) === 'GGUF')
    fail(op, `${path} is a GGUF file.`, 'convert it to safetensors');
  if (start.toString('latin1', 0, 2) === 'PK')
    fail(op, `${path} is a zip file, as PyTorch writes them.`, 'convert it to safetensors');
  if (path.endsWith('.safetensors') || start[8] === 0x7b) return openSafetensorsModel(path);
  return openLlama2c(path);
}
