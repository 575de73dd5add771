import { fail } from '@cria/tensor';
import type { LoraAdapter } from './adapter.ts';

const op = 'lora';

type Fields = Readonly<Record<string, unknown>>;

/** What an `adapter_config.json` says. */
export interface LoraSettings extends Omit<LoraAdapter, 'factors' | 'saved'> {
  /** Rank and alpha of a module by its name in the model: `model.layers.0.self_attn.q_proj`. */
  rankOf(module: string): number;
  alphaOf(module: string): number;
  /** Names of modules that the adapter holds as a whole. */
  readonly modulesToSave: readonly string[];
}

/**
 * Fields that say where an adapter comes from, or which modules have matrices in it, which the file
 * of weights says, too.
 */
const DESCRIPTIVE = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'exclude_modules',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'megatron_core', // the name of a Python module, used with megatron_config only
  'peft_version',
  'qalora_group_size', // used with use_qalora only
  'revision',
  'target_modules',
]);

/** Fields that are read below. */
const READ = new Set([
  'peft_type',
  'r',
  'lora_alpha',
  'lora_dropout',
  'use_rslora',
  'rank_pattern',
  'alpha_pattern',
  'modules_to_save',
]);

/** Values beyond null, false and empty ones that do not change what an adapter computes. */
const HARMLESS: Readonly<Record<string, readonly unknown[]>> = {
  task_type: ['CAUSAL_LM'],
  bias: ['none'],
  // How A and B began. Other ways ("pissa", "olora", "loftq", …) took something away from the base weights, too.
  init_lora_weights: [true, 'gaussian', 'eva'],
};

/**
 * Refuses, by field and value, whatever is not known to be plain LoRA: a new kind of adapter must
 * not be merged as an old one.
 */
export function parseLoraSettings(path: string, json: unknown): LoraSettings {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    fail(op, `${path} is no JSON object.`);
  const fields = json as Fields;
  if (fields['peft_type'] !== 'LORA')
    fail(op, `${path}: peft_type is ${JSON.stringify(fields['peft_type'])}.`, 'only LORA is read');
  checkHarmless(path, fields);
  const rank = positive(path, 'r', fields['r']);
  const alpha = positive(path, 'lora_alpha', fields['lora_alpha']);
  const base = fields['base_model_name_or_path'];
  const rankPatterns = readPatterns(path, fields, 'rank_pattern');
  const alphaPatterns = readPatterns(path, fields, 'alpha_pattern');
  return {
    rank,
    alpha,
    dropout: fields['lora_dropout'] == null ? 0 : finite(path, 'lora_dropout', fields['lora_dropout']),
    rankStabilized: fields['use_rslora'] === true,
    base: typeof base === 'string' ? base : undefined,
    rankOf: (module) => patternValue(rankPatterns, module) ?? rank,
    alphaOf: (module) => patternValue(alphaPatterns, module) ?? alpha,
    modulesToSave: readNames(path, fields),
  };
}

function checkHarmless(path: string, fields: Fields): void {
  for (const [name, value] of Object.entries(fields)) {
    if (READ.has(name) || DESCRIPTIVE.has(name) || isNothing(value)) continue;
    if (HARMLESS[name]?.includes(value)) continue;
    // EVA is a way to begin A only, so its settings are harmless with it.
    if (name === 'eva_config' && fields['init_lora_weights'] === 'eva') continue;
    const hint =
      name === 'init_lora_weights'
        ? 'such adapters change the base weights, too; convert it to plain LoRA with ' +
          'save_pretrained(…, path_initial_model_for_weight_conversion=…) of peft'
        : 'such adapters are not read';
    fail(op, `${path}: ${name} is ${JSON.stringify(value).slice(0, 200)}.`, hint);
  }
  const stabilized = fields['use_rslora'];
  if (!isNothing(stabilized) && stabilized !== true)
    fail(op, `${path}: use_rslora is ${JSON.stringify(stabilized)}.`, 'it must be true or false');
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

interface Pattern {
  readonly matches: RegExp;
  readonly value: number;
}

/**
 * Names of modules, ends of them, or regular expressions for them, with the first match counting
 * (peft get_pattern_key).
 */
function readPatterns(path: string, fields: Fields, name: string): Pattern[] {
  const patterns = fields[name];
  if (isNothing(patterns)) return [];
  if (typeof patterns !== 'object' || Array.isArray(patterns))
    fail(op, `${path}: ${name} is ${JSON.stringify(patterns)}.`, 'it must be an object of names and numbers');
  return Object.entries(patterns as Fields).map(([key, value]) => {
    try {
      return {
        matches: new RegExp(`^(?:.*\\.)?(?:${key})$`),
        value: positive(path, `${name} of ${key}`, value),
      };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return fail(op, `${path}: "${key}" in ${name} is no expression for names.`, undefined, error);
    }
  });
}

function patternValue(patterns: readonly Pattern[], module: string): number | undefined {
  return patterns.find(({ matches }) => matches.test(module))?.value;
}

function readNames(path: string, fields: Fields): string[] {
  const names = fields['modules_to_save'];
  if (isNothing(names)) return [];
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
    fail(op, `${path}: modules_to_save is ${JSON.stringify(names)}.`, 'it must be a list of names');
  return names;
}

function finite(path: string, name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    return fail(op, `${path}: ${name} is ${JSON.stringify(value) ?? 'missing'}.`);
  return value;
}

function positive(path: string, name: string, value: unknown): number {
  const number = finite(path, name, value);
  return number > 0 ? number : fail(op, `${path}: ${name} is ${number}.`, 'it must be above 0');
}
