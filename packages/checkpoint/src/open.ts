import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fail } from '@cria/tensor';
import type { Checkpoint } from './checkpoint.ts';
import { openGgufModel } from './gguf/open.ts';
import { openHuggingFaceFolder, openSafetensorsModel, openTorchModel } from './huggingface/folder.ts';
import { openLlama2c } from './llama2c.ts';
import { isMetaFolder, openMetaFiles, openMetaFolder, PARAMS_FILE } from './meta/open.ts';
import { isPth } from './meta/pth-file.ts';
import { openModelFile } from './model-file.ts';
import { isTrainingState, loadTrainingState } from './training-state/load.ts';

/**
 * Opens the weights at a path, whatever format it holds: a GGUF file, a Hugging Face folder, a
 * safetensors file with `config.json` beside it, a folder of Meta's, a file of `torch.save` with
 * either's configuration beside it, a llama2.c `.bin`, a training state (every byte of which is
 * checked), or a folder of training states or of a run of the trainer (the newest state is taken).
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
  if (isMetaFolder(path)) return openMetaFolder(path);
  if (await isTrainingState(path)) return openState(path);
  const states = statesOfRun(path);
  if (states === undefined) return openHuggingFaceFolder(path);
  if (!(await isTrainingState(states)))
    fail(op, `${path} holds no complete training state yet.`, 'train longer, or wait for the first save');
  return openState(states);
}

/** The weights of a training state that is whole. */
async function openState(path: string): Promise<Checkpoint> {
  const { folder, base, checkpoint } = await loadTrainingState(path);
  if (base)
    fail(
      'openCheckpoint',
      `${folder} holds what was trained over the base ${base.path}, not the base.`,
      'open the base',
    );
  return checkpoint;
}

/**
 * A run folder of the trainer keeps its states in `checkpoints`; a model's folder has a
 * configuration of its own.
 */
function statesOfRun(folder: string): string | undefined {
  const states = join(folder, 'checkpoints');
  return existsSync(states) && !existsSync(join(folder, 'config.json')) ? states : undefined;
}

/** By content: names lie, and `.bin` means many things. */
async function openFile(op: string, path: string): Promise<Checkpoint> {
  const file = await openModelFile(op, path);
  const start = Buffer.from(await file.read(op, 0, Math.min(64, file.size)));
  if (start.toString('latin1', 0, 4) === 'GGUF' || path.endsWith('.gguf')) return openGgufModel(path);
  if (isPth(start)) return openTorchFile(op, path);
  if (path.endsWith('.safetensors') || start[8] === 0x7b) return openSafetensorsModel(path);
  return openLlama2c(path);
}

/** What names its weights have, and in which order their rows are, the configuration beside it says. */
async function openTorchFile(op: string, path: string): Promise<Checkpoint> {
  const folder = dirname(path);
  const consolidated = /^consolidated\.\d+\.pth$/.test(basename(path));
  if (consolidated && isMetaFolder(folder)) return openMetaFolder(folder);
  if (existsSync(join(folder, PARAMS_FILE))) return openMetaFiles(folder, [basename(path)]);
  if (existsSync(join(folder, 'config.json'))) return openTorchModel(path);
  return fail(
    op,
    `${path} is a file of torch.save without the configuration of its model.`,
    "put Meta's params.json or Hugging Face's config.json beside it",
  );
}
