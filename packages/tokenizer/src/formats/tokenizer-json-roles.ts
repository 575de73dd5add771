/** The parts of a tokenizer.json, and which tokens begin, end and fill sequences. */
import type { AddedToken } from '../added-tokens.ts';
import { contentOf, list, object, type Json, type JsonObject } from './json.ts';
import { OP, stepsOf } from './tokenizer-json-steps.ts';

export interface Roles {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly unk: number | undefined;
  readonly pad: number | undefined;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
}

/** The parts of a tokenizer.json that both kinds are made of. */
export interface TokenizerJsonParts {
  readonly root: JsonObject;
  readonly model: JsonObject;
  readonly vocab: ReadonlyMap<string, number>;
  /** By id; '' where no token has it. */
  readonly tokens: readonly string[];
  readonly added: readonly AddedToken[];
  readonly roles: Roles;
}

/**
 * From tokenizer_config.json, else by the tokens' usual names. BOS is put in front where the
 * post-processor does it; for the classes that follow `add_bos_token` instead (LlamaTokenizer and
 * those after it), where that says so.
 */
export function rolesOf(
  root: JsonObject,
  ids: ReadonlyMap<string, number>,
  config: JsonObject | undefined,
): Roles {
  const around = specialsAround(root);
  const role = (key: string, ...usual: readonly (string | undefined)[]): number | undefined => {
    if (config?.[key] !== undefined) {
      const name = contentOf(config[key]);
      return name === undefined ? undefined : ids.get(name);
    }
    for (const candidate of usual)
      if (candidate !== undefined && ids.has(candidate)) return ids.get(candidate);
    return undefined;
  };
  const bos = role('bos_token', around?.before, '<s>', '<|begin_of_text|>', '<|endoftext|>');
  const eos = role('eos_token', '</s>', '<|end_of_text|>', '<|endoftext|>');
  const follows = /^(?:Code)?Llama|^Gemma/.test(String(config?.['tokenizer_class'] ?? ''));
  const flag = (name: string, usual: boolean): boolean =>
    typeof config?.[name] === 'boolean' ? config[name] : usual;
  const begins = around?.before !== undefined && ids.get(around.before) === bos;
  const ends = around?.behind !== undefined && ids.get(around.behind) === eos;
  const byFlag = follows || around === undefined;
  return {
    bos,
    eos,
    unk: role('unk_token', '<unk>'),
    pad: role('pad_token', '<pad>', '<|finetune_right_pad_id|>'),
    addsBos: bos !== undefined && (byFlag ? flag('add_bos_token', follows) : begins),
    addsEos: eos !== undefined && (byFlag ? flag('add_eos_token', false) : ends),
  };
}

/** The tokens that the post-processor puts around a text; undefined where it has no say. */
function specialsAround(
  root: JsonObject,
): { readonly before?: string; readonly behind?: string } | undefined {
  for (const step of stepsOf(root['post_processor'], 'processors')) {
    if (step['type'] === 'TemplateProcessing') return aroundText(list(OP, step['single'] ?? []));
    if (step['type'] !== 'BertProcessing' && step['type'] !== 'RobertaProcessing') continue;
    const [before, behind] = ['cls', 'sep'].map((key) => {
      const pair = step[key];
      return Array.isArray(pair) && typeof pair[0] === 'string' ? pair[0] : undefined;
    });
    return { ...(before === undefined ? {} : { before }), ...(behind === undefined ? {} : { behind }) };
  }
  return undefined;
}

function aroundText(items: readonly Json[]): { readonly before?: string; readonly behind?: string } {
  const special = (item: Json | undefined): string | undefined => {
    const id = object(object(item)?.['SpecialToken'])?.['id'];
    return typeof id === 'string' ? id : undefined;
  };
  const before = special(items[0]);
  const behind = special(items.at(-1));
  return { ...(before === undefined ? {} : { before }), ...(behind === undefined ? {} : { behind }) };
}
