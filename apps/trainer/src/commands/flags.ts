import { deviceChoices } from '@cria/devices';
import { existsSync } from 'node:fs';
import { fail } from '@cria/tensor';
import { type Flags, numberFlag, type Values } from '../arguments.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';

/**
 * Flags of every command that makes or continues a run. Those with a place in the configuration are
 * short for `--set`.
 */
export const runFlags = {
  config: { type: 'string', value: 'FILE', help: 'configuration in YAML' },
  set: {
    type: 'string',
    multiple: true,
    value: 'KEY=VALUE',
    help: 'one setting over the configuration, as training.steps=100; repeatable',
  },
  data: { type: 'string', multiple: true, value: 'PATH', help: 'a file or folder to train on; repeatable' },
  'text-field': { type: 'string', value: 'NAME', help: 'field of a JSONL line that holds its text; text' },
  preset: { type: 'string', value: 'NAME', help: 'shape of the model: 260k, 15m, 42m, 110m, …' },
  minutes: {
    type: 'string',
    value: 'M',
    help: 'how long to train; the speed is measured once and fixes the number of steps',
  },
  steps: { type: 'string', value: 'N', help: 'updates, instead of minutes' },
  folder: { type: 'string', value: 'PATH', help: 'where the run lies; runs/<key of configuration and data>' },
  seed: { type: 'string', value: 'N', help: 'seed of everything that is drawn; 0' },
  dtype: {
    type: 'string',
    value: 'NAME',
    help: 'f32, bf16 (with f32 masters), or auto: bf16 where it is faster here',
  },
  device: { type: 'string', value: 'NAME', help: deviceChoices.join(', ') },
  threads: { type: 'string', value: 'N', help: 'one a core; no result depends on it' },
  'keep-last': { type: 'string', value: 'N', help: 'saved states to keep; 2' },
  'keep-every': {
    type: 'string',
    value: 'N',
    help: 'besides, keep every saved state whose step is a multiple of N',
  },
  'skip-damaged': {
    type: 'boolean',
    help: 'go on from the newest whole training state where newer ones are damaged',
  },
  'print-config': { type: 'boolean', help: 'print the whole configuration and end' },
} as const satisfies Flags;

/**
 * The configuration that flags describe. `fallback` are the sources where neither file nor flag
 * names any.
 */
export function configOfFlags(
  verb: string,
  values: Values<typeof runFlags>,
  fallback: Config['data']['sources'] = [],
): Config {
  // Flags become settings, so that they are checked, printed and remembered as one; `--set` comes
  // after them and wins.
  const shortcuts: string[] = [];
  const add = (key: string, value: unknown) => shortcuts.push(`${key}=${JSON.stringify(value)}`);
  if (values.preset !== undefined) add('model.preset', values.preset);
  if (values.minutes !== undefined)
    add('training.minutes', numberFlag(verb, 'minutes', values.minutes, { min: 0.01 }));
  if (values.steps !== undefined)
    add('training.steps', numberFlag(verb, 'steps', values.steps, { min: 1, integer: true }));
  if (values.folder !== undefined) add('run.folder', values.folder);
  if (values['text-field'] !== undefined) add('data.text_field', values['text-field']);
  if (values.seed !== undefined)
    add('run.seed', numberFlag(verb, 'seed', values.seed, { min: 0, integer: true }));
  if (values.dtype !== undefined) add('training.dtype', values.dtype);
  if (values.device !== undefined) add('run.device', values.device);
  if (values.threads !== undefined)
    add('run.threads', numberFlag(verb, 'threads', values.threads, { min: 1, max: 1024, integer: true }));
  for (const [flag, key] of [['keep-last', 'keep_last'] as const, ['keep-every', 'keep_every'] as const]) {
    const value = values[flag];
    if (value !== undefined) add(`training.${key}`, numberFlag(verb, flag, value, { min: 1, integer: true }));
  }
  if (values.data !== undefined)
    add(
      'data.sources',
      values.data.map((path) => ({ paths: [existing(verb, path)] })),
    );
  const config = loadConfig(values.config, [...shortcuts, ...(values.set ?? [])]);
  if (config.training.steps !== undefined && values.minutes !== undefined) {
    fail(
      `cria ${verb}`,
      `both --minutes ${values.minutes} and ${config.training.steps} steps are given.`,
      'give one of them',
    );
  }
  return config.data.sources.length > 0 ? config : { ...config, data: { ...config.data, sources: fallback } };
}

/**
 * A path of `--data`. Refused here, where the flag has a name, and not after the tokenizer was
 * trained.
 */
function existing(verb: string, path: string): string {
  if (!existsSync(path))
    fail(`cria ${verb}`, `--data ${path} does not exist.`, 'give a file or a folder of texts');
  return path;
}
