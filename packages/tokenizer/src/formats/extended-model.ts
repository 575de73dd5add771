/** A `tokenizer.model` with the tokens that other files of its folder add to it. */
import type { AddedToken } from '../added-tokens.ts';
import { failure } from '../errors.ts';
import { modelFromPieces, type SentencePieceModel } from '../sentencepiece/model.ts';
import {
  CONTROL,
  NORMAL,
  PieceList,
  UNKNOWN,
  USER_DEFINED,
  type Piece,
} from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { contentOf, shown, type JsonObject } from './json.ts';
import { contradiction } from './tokenizer-config.ts';

const OP = 'loadTokenizer';

/** Throws where a text has another id in the model, or an id another text. */
export function extendModel(
  model: SentencePieceModel,
  added: readonly AddedToken[],
  config: JsonObject | undefined,
): SentencePieceTokenizer {
  const { pieces } = model;
  const list = Array.from({ length: pieces.size }, (_, id) => pieces.at(id));
  const ids = new Map(list.map(({ piece }, id) => [piece, id]));
  for (const { id, content } of added) checkAgainst(list, ids, id, content);
  const size = Math.max(pieces.size, ...added.map(({ id }) => id + 1));
  if (size > 2 * (pieces.size + added.length))
    throw failure(
      OP,
      `an added token has the id ${size - 1} beside ${pieces.size} pieces`,
      'the file is damaged',
    );
  // filled below, but for gaps
  while (list.length < size) list.push({ piece: `<|no token ${list.length}|>`, type: CONTROL, score: 0 });
  for (const { id, content, special } of added) {
    const type = list[id].type === UNKNOWN ? UNKNOWN : special === true ? CONTROL : USER_DEFINED;
    list[id] = { piece: content, type, score: id < pieces.size ? list[id].score : 0 };
    ids.set(content, id);
  }
  const changed = list.some(({ type }, id) => id >= pieces.size || type !== pieces.types[id]);
  const role = (key: string, usual: number): number =>
    ids.get(contentOf(config?.[key]) ?? '') ?? (config?.[key] === null ? -1 : usual);
  const settings = {
    ...model.settings,
    bosId: role('bos_token', model.settings.bosId),
    eosId: role('eos_token', model.settings.eosId),
    padId: role('pad_token', model.settings.padId),
  };
  const sameIds = settings.bosId === model.settings.bosId && settings.eosId === model.settings.eosId;
  const has = (id: number): boolean => id >= 0 && id < size;
  const flag = (name: string, usual: boolean): boolean =>
    typeof config?.[name] === 'boolean' ? config[name] : usual;
  return new SentencePieceTokenizer(
    changed || !sameIds ? modelFromPieces(PieceList.from(list), settings) : model,
    {
      ...(config?.['legacy'] === false && changed ? { prefix: 'first' as const } : {}),
      addedTokens: found(list, added),
      addsBos: has(settings.bosId) && flag('add_bos_token', true),
      addsEos: has(settings.eosId) && flag('add_eos_token', false),
    },
  );
}

function checkAgainst(
  list: readonly Piece[],
  ids: ReadonlyMap<string, number>,
  id: number,
  content: string,
): void {
  const known = ids.get(content);
  if (known !== undefined && known !== id)
    throw contradiction(OP, content, 'tokenizer.model', known, 'the files beside it', id);
  if (id < list.length && list[id].piece !== content)
    throw failure(
      OP,
      `the id ${id} is ${shown(list[id].piece)} in tokenizer.model and ${shown(content)} in the files beside it`,
      'the files contradict each other: remove the one that does not belong to the model',
    );
}

/**
 * The model's control pieces and the added tokens; those that are ordinary pieces too are found
 * first.
 */
function found(list: readonly Piece[], added: readonly AddedToken[]): AddedToken[] {
  const byId = new Map(added.map((token) => [token.id, token]));
  return list.flatMap(({ piece, type }, id): AddedToken[] => {
    const token = byId.get(id);
    if (token !== undefined) return [token];
    const isControl = type === CONTROL || type === UNKNOWN;
    return isControl && !piece.startsWith('<|no token ') ? [{ id, content: piece, special: true }] : [];
  });
}

/** Whether the tokens change what the model does by itself. */
export function adds(model: SentencePieceModel, added: readonly AddedToken[]): boolean {
  const { pieces } = model;
  return added.some(({ id, lstrip, rstrip, singleWord }) => {
    if (id >= pieces.size || lstrip === true || rstrip === true || singleWord === true) return true;
    return pieces.types[id] === NORMAL;
  });
}
