import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { checkOptions, fail } from '@cria/tensor';
import { type ByteLevelTokenizer, type SentencePieceTokenizer, TokenizerError } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import { readChatTemplate } from './chat-template.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openCheckpoint } from './open.ts';

export interface OpenModelOptions {
  /**
   * File or folder of the vocabulary. Default: what the model's files hold, or what lies beside
   * them.
   */
  readonly tokenizer?: string;
}

/**
 * All that is needed to make text with a model, but the weights in memory: `loadForInference` reads
 * those.
 */
export interface OpenedModel {
  /** Its special ids are those of the vocabulary where the files of weights name none. */
  readonly checkpoint: Checkpoint;
  readonly tokenizer: SentencePieceTokenizer | ByteLevelTokenizer;
  /** File or folder that the vocabulary came from. */
  readonly tokenizerPath: string;
  /** Ids that end a text. */
  readonly stopIds: readonly number[];
  /** Jinja source of the chat template that comes with the model; undefined: none does. */
  readonly chatTemplate: string | undefined;
  /** What people call it: `stories260K` for `models/stories260K.bin`. */
  readonly name: string;
}

const op = 'openModel';
const VOCABULARY_FILES = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'];

/**
 * Opens a model with its vocabulary and all that belongs to making text with it: what serving,
 * sampling and converting have in common. The path is one that `openCheckpoint` takes. Throws where
 * there is no vocabulary.
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  checkOptions(op, options, ['tokenizer']);
  const checkpoint = await openCheckpoint(path);
  const tokenizerPath =
    options.tokenizer ??
    findTokenizer(path, checkpoint) ??
    fail(
      op,
      `no vocabulary lies beside ${checkpoint.path}.`,
      `name one; looked for ${VOCABULARY_FILES.join(', ')}`,
    );
  const tokenizer = await readTokenizer(tokenizerPath);
  return {
    checkpoint: withIdsOf(tokenizer, checkpoint),
    tokenizer,
    tokenizerPath,
    stopIds: stopIdsOf(checkpoint, tokenizer),
    chatTemplate: await readChatTemplate(checkpoint, tokenizerPath),
    name: basename(resolve(path)).replace(/\.(bin|gguf|safetensors)$/, '') || 'model',
  };
}

/**
 * Where the vocabulary of a checkpoint is: in its GGUF file, in its folder, or, for a training
 * state, in the folder of its run. Undefined where it is in none of them.
 */
export function findTokenizer(path: string, checkpoint: Checkpoint): string | undefined {
  if (checkpoint.format === 'gguf')
    return checkpoint.metadata.has('tokenizer.ggml.model') ? checkpoint.path : undefined;
  const weights = folderOf(checkpoint.path);
  const above =
    checkpoint.format === 'training-state'
      ? [dirname(weights), dirname(dirname(weights))]
      : [dirname(weights)];
  return [weights, folderOf(path), ...above].find((folder) =>
    VOCABULARY_FILES.some((name) => existsSync(join(folder, name))),
  );
}

async function readTokenizer(path: string) {
  try {
    return await loadTokenizer(path);
  } catch (error) {
    const reason = error instanceof TokenizerError ? error : (error as Error).cause;
    if (!(reason instanceof TokenizerError)) throw error;
    const what = reason.what.includes(path) ? reason.what : `${path}: ${reason.what}`;
    return fail(op, `${what}.`, reason.hint, error);
  }
}

function folderOf(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? path : dirname(path);
}

function withIdsOf({ bosId, eosId }: OpenedModel['tokenizer'], checkpoint: Checkpoint): Checkpoint {
  const { bos, eos } = checkpoint.specialIds;
  if (bos !== undefined || eos.length > 0) return checkpoint;
  const specialIds = { bos: bosId, eos: eosId === undefined ? [] : [eosId], pad: undefined };
  return { ...checkpoint, specialIds };
}

/**
 * Every id that files or vocabulary name as an end. llama2.c's models begin every text with BOS and
 * never write EOS, so there BOS ends one, too.
 */
function stopIdsOf({ format, specialIds }: Checkpoint, { bosId, eosId }: OpenedModel['tokenizer']): number[] {
  const named = [...specialIds.eos, eosId, format === 'llama2c' ? bosId : undefined];
  return [...new Set(named.filter((id) => id !== undefined))];
}
