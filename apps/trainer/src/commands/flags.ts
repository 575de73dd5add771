import { existsSync } from 'node:fs';
import type { Options } from '@cria/cli';
import { fail } from '@cria/tensor';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { settingOption } from '../config/setting-options.ts';

/** Flags that are short for `--set`: the setting, and what stands for its value. A new one is a row here. */
const settings = {
  preset: ['model.preset', 'NAME'],
  minutes: ['training.minutes', 'M'],
  steps: ['training.steps'],
  folder: ['run.folder', 'PATH'],
  'text-field': ['data.text_field', 'NAME'],
  seed: ['run.seed'],
  dtype: ['training.dtype'],
  device: ['run.device'],
  threads: ['run.threads'],
  'keep-last': ['training.keep_last'],
  'keep-every': ['training.keep_every'],
  'vocab-size': ['tokenizer.vocab_size'],
} as const satisfies Readonly<Record<string, readonly [key: string, value?: string]>>;

type SettingFlag = keyof typeof settings;

/** The options for some settings. */
export function settingFlags<const Name extends SettingFlag>(names: readonly Name[]) {
  const options = names.map((name) => {
    const [key, value]: readonly [string, string?] = settings[name];
    return [name, settingOption(key, value)] as const;
  });
  return Object.fromEntries(options) as Readonly<Record<Name, ReturnType<typeof settingOption>>>;
}

/** Where settings come from: a file, single ones over it, texts. */
export const configFlags = {
  config: { takes: 'text', value: 'FILE', help: 'configuration in YAML' },
  set: {
    takes: 'text',
    multiple: true,
    value: 'KEY=VALUE',
    help: 'one setting over the configuration, as training.steps=100',
  },
  data: { takes: 'text', multiple: true, value: 'PATH', help: 'a file or folder to train on' },
} as const satisfies Options;

/** Flags of every command that makes or continues a run. */
export const runFlags = {
  ...configFlags,
  ...settingFlags([
    'text-field',
    'preset',
    'minutes',
    'steps',
    'folder',
    'seed',
    'dtype',
    'device',
    'threads',
    'keep-last',
    'keep-every',
  ]),
  'skip-damaged': {
    takes: 'nothing',
    help: 'go on from the newest whole training state where newer ones are damaged',
  },
  'print-config': { takes: 'nothing', help: 'print the whole configuration and end' },
} as const satisfies Options;

/** What the flags above may say; others of a command are not for the configuration. */
export type ConfigValues = Readonly<Partial<Record<SettingFlag, unknown>>> & {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly data?: readonly string[];
};

/**
 * The configuration that flags describe. `fallback` are the sources where neither file nor flag
 * names any.
 */
export function configOfFlags(
  verb: string,
  values: ConfigValues,
  fallback: Config['data']['sources'] = [],
): Config {
  // Flags become settings, so that they are checked, printed and remembered as one; `--set` comes
  // after them and wins.
  const shortcuts = Object.entries(settings).flatMap(([flag, [key]]) => {
    const value = values[flag as SettingFlag]; // a key of the table
    return value === undefined ? [] : [`${key}=${JSON.stringify(value)}`];
  });
  const sources = values.data?.map((path) => ({ paths: [existing(verb, path)] }));
  if (sources) shortcuts.push(`data.sources=${JSON.stringify(sources)}`);
  const config = loadConfig(values.config, [...shortcuts, ...(values.set ?? [])]);
  if (config.training.steps !== undefined && values.minutes !== undefined) {
    fail(
      `cria ${verb}`,
      `both --minutes ${String(values.minutes)} and ${config.training.steps} steps are given.`,
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
