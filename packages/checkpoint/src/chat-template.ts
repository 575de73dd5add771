import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Checkpoint } from './checkpoint.ts';
import { readJson } from './json-file.ts';

const op = 'openModel';

/**
 * The Jinja source of a model's chat template: the key of a GGUF file, `chat_template.jinja` beside
 * the vocabulary, or the field of `tokenizer_config.json`, where a list names several and the one
 * called "default" is meant. Undefined where there is none.
 */
export async function readChatTemplate(
  checkpoint: Checkpoint,
  tokenizerPath: string,
): Promise<string | undefined> {
  const stored = checkpoint.metadata.get('tokenizer.chat_template');
  if (checkpoint.format === 'gguf' && typeof stored === 'string') return stored;
  const folder =
    existsSync(tokenizerPath) && statSync(tokenizerPath).isDirectory()
      ? tokenizerPath
      : dirname(tokenizerPath);
  const jinja = join(folder, 'chat_template.jinja');
  if (existsSync(jinja)) return readFile(jinja, 'utf8');
  const config = join(folder, 'tokenizer_config.json');
  if (!existsSync(config)) return undefined;
  const fields = (await readJson(op, config)) as { chat_template?: unknown } | null;
  return templateOf(fields?.chat_template);
}

function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as readonly { name?: unknown; template?: unknown }[];
  const chosen = named.find((each) => each?.name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : undefined;
}
