/**
 * What stands beside a vocabulary in a model folder: which tokens have which part, and tokens that
 * were added later.
 */
import type { AddedToken } from '../added-tokens.ts';
import { failure } from '../errors.ts';
import { contentOf, list, object, parseObject, shown, type Json, type JsonObject } from './json.ts';

/** Texts of the files beside a vocabulary, as far as they are there. */
export interface SideFiles {
  /** `tokenizer_config.json` */
  readonly config?: string | undefined;
  /** `added_tokens.json`: ids by text. */
  readonly addedTokens?: string | undefined;
  /** `special_tokens_map.json`, which older folders have the names of BOS, EOS, … in. */
  readonly specialTokensMap?: string | undefined;
}

export interface Side {
  /** `tokenizer_config.json`, over `special_tokens_map.json`. Undefined where neither is there. */
  readonly config: JsonObject | undefined;
  readonly added: readonly AddedToken[];
}

/** Throws, with both ids, where two files give a text two ids. */
export function readSideFiles(op: string, files: SideFiles): Side {
  const own = files.config === undefined ? undefined : parseObject(op, files.config, 'tokenizer_config.json');
  const map =
    files.specialTokensMap === undefined
      ? undefined
      : parseObject(op, files.specialTokensMap, 'special_tokens_map.json');
  const config = own === undefined && map === undefined ? undefined : { ...map, ...own };
  const fromConfig = Object.entries(object(own?.['added_tokens_decoder']) ?? {}).map(([id, item]) =>
    readAddedToken(op, { ...object(item), id: Number(id) }),
  );
  const listed =
    files.addedTokens === undefined ? {} : parseObject(op, files.addedTokens, 'added_tokens.json');
  const known = new Map(fromConfig.map((token) => [token.content, token]));
  const special = specialNames(op, config);
  const fromList = Object.entries(listed)
    .filter(([content, id]) => known.get(content)?.id !== id)
    .map(([content, id]): AddedToken => {
      const token = readAddedToken(op, { id, content });
      return { ...token, special: special.has(content) };
    });
  return {
    config,
    added: mergeAdded(op, fromConfig, fromList, ['tokenizer_config.json', 'added_tokens.json']),
  };
}

/** Tokens that a configuration names as special, whatever their part. */
function specialNames(op: string, config: JsonObject | undefined): Set<string> {
  const names = [
    'bos_token',
    'eos_token',
    'unk_token',
    'pad_token',
    'sep_token',
    'cls_token',
    'mask_token',
  ].map((role) => contentOf(config?.[role]));
  const others = config?.['additional_special_tokens'];
  const more = others === undefined || others === null ? [] : list(op, others).map(contentOf);
  return new Set([...names, ...more].filter((name) => name !== undefined));
}

/**
 * Both lists, each token once. Throws where they contradict each other: another id for a text,
 * another text for an id.
 */
export function mergeAdded(
  op: string,
  first: readonly AddedToken[],
  second: readonly AddedToken[],
  [firstName, secondName]: readonly [string, string],
): AddedToken[] {
  const byContent = new Map(first.map((token) => [token.content, token]));
  const byId = new Map(first.map((token) => [token.id, token]));
  const merged = [...first];
  for (const token of second) {
    const same = byContent.get(token.content);
    const other = byId.get(token.id);
    if (same !== undefined && same.id !== token.id)
      throw contradiction(op, token.content, firstName, same.id, secondName, token.id);
    if (other !== undefined && other.content !== token.content)
      throw failure(
        op,
        `the id ${token.id} is ${shown(other.content)} in ${firstName} and ${shown(token.content)} in ${secondName}`,
        'the files contradict each other: remove the one that does not belong to the model',
      );
    if (same === undefined) merged.push(token);
  }
  return merged;
}

export function contradiction(
  op: string,
  content: string,
  firstName: string,
  firstId: number,
  secondName: string,
  secondId: number,
): Error {
  return failure(
    op,
    `${shown(content)} has the id ${firstId} in ${firstName} and ${secondId} in ${secondName}`,
    'the files contradict each other: remove the one that does not belong to the model',
  );
}

/** An entry of `added_tokens`, or of `added_tokens_decoder` with its key as `id`. */
export function readAddedToken(op: string, item: Json): AddedToken {
  const token = object(item);
  const content = token?.['content'];
  if (token === undefined || typeof content !== 'string' || content === '')
    throw failure(op, `an added token is ${shown(item)}`, 'the file is damaged');
  const flags = {
    special: token['special'] === true,
    lstrip: token['lstrip'] === true,
    rstrip: token['rstrip'] === true,
    singleWord: token['single_word'] === true,
    normalized: token['normalized'] === true,
  };
  const set = Object.entries(flags).filter(([, value]) => value);
  return { id: requireId(op, token['id'], content), content, ...Object.fromEntries(set) };
}

export function requireId(op: string, value: Json | undefined, token: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 1 << 24)
    throw failure(op, `the id of ${shown(token)} is ${shown(value)}`, 'the file is damaged');
  return value;
}
