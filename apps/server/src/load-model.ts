import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Checkpoint, loadForInference, openCheckpoint } from '@cria/checkpoint';
import { openDevice } from '@cria/devices';
import type { Llama } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import type { EngineSettings } from './protocol.ts';

const OP = 'cria-server';

export interface LoadedModel {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
  /** Format of the files. */
  readonly format: string;
  /** Name for the API. */
  readonly id: string;
  readonly fallbackReason: string | undefined;
  /** Ids that end a text. */
  readonly eosIds: readonly number[];
}

/** A model on the device that was asked for, ready to generate; it goes with the device. */
export async function loadModel(settings: EngineSettings): Promise<LoadedModel> {
  const path = resolve(settings.model);
  const checkpoint = await openCheckpoint(weightsPath(path));
  const tokenizer = await loadTokenizer(settings.tokenizer ?? findTokenizer(path, checkpoint.path));
  const { threads } = settings;
  const opened = await openDevice(settings.device, threads === undefined ? {} : { threads });
  const { model } = await loadForInference(checkpoint, opened.device, { mmap: settings.mmap ?? true });
  const { format } = checkpoint;
  return {
    model,
    tokenizer,
    format,
    id: nameOf(path),
    fallbackReason: opened.warning === undefined ? undefined : opened.reason,
    eosIds: endIds(checkpoint, tokenizer),
  };
}

/** The tokenizer of a model alone, the same as `loadModel` would take. */
export async function loadModelTokenizer(settings: EngineSettings): Promise<Tokenizer> {
  const path = resolve(settings.model);
  if (settings.tokenizer !== undefined) return loadTokenizer(settings.tokenizer);
  return loadTokenizer(findTokenizer(path, (await openCheckpoint(weightsPath(path))).path));
}

/** A run folder of the trainer stands for its newest training state. */
function weightsPath(path: string): string {
  const states = join(path, 'checkpoints');
  return existsSync(states) && !existsSync(join(path, 'config.json')) ? states : path;
}

const TOKENIZER_FILES = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'];

function findTokenizer(path: string, weights: string): string {
  if (weights.endsWith('.gguf')) return weights; // it holds its own
  const folders = [folderOf(weights), folderOf(path), dirname(folderOf(weights))];
  for (const folder of folders) {
    for (const name of TOKENIZER_FILES) if (existsSync(join(folder, name))) return join(folder, name);
  }
  return fail(
    OP,
    `no tokenizer lies beside ${weights}.`,
    `give --tokenizer FILE; looked for ${TOKENIZER_FILES.join(', ')}`,
  );
}

function folderOf(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? path : dirname(path);
}

/** `stories260K.bin` is called stories260K. */
function nameOf(path: string): string {
  return basename(path).replace(/\.(bin|gguf|safetensors)$/, '') || 'model';
}

/** llama2.c's models begin every text with BOS and never write EOS, so there BOS ends one too. */
function endIds({ format, specialIds }: Checkpoint, { bosId, eosId }: Tokenizer): number[] {
  const named = specialIds.eos.length > 0 ? specialIds.eos : eosId === undefined ? [] : [eosId];
  return format === 'llama2c' && bosId !== undefined ? [...named, bosId] : [...named];
}
