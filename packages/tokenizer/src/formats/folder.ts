/**
 * The vocabulary of a model folder, where it may stand in several files. transformers takes
 * tokenizer.json before tokenizer.model; they are the same vocabulary in two forms, until somebody
 * adds tokens to one. So both are read: they must not contradict each other, and the one with more
 * tokens counts. Of two that say the same, tokenizer.model is the original.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { failure, TokenizerError } from '../errors.ts';
import { readSentencePieceModel } from '../sentencepiece/model.ts';
import type { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { adds, extendModel } from './extended-model.ts';
import { parseObject, shown } from './json.ts';
import { detectFormat, parseTokenizer, type ParseOptions } from './parse.ts';
import {
  contradiction,
  mergeAdded,
  readAddedToken,
  readSideFiles,
  type SideFiles,
} from './tokenizer-config.ts';

const OP = 'loadTokenizer';
const FILES = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'] as const;

type AnyTokenizer = SentencePieceTokenizer | ByteLevelTokenizer;

/** Throws where the folder holds no vocabulary, or two that contradict each other. */
export async function loadFolder(folder: string, options: ParseOptions): Promise<AnyTokenizer> {
  const [model, json, bin] = await Promise.all(FILES.map((name) => bytesIfThere(join(folder, name))));
  const side = await sideFilesOf(folder, options);
  if (model !== undefined) return inFile(folder, FILES[0], () => withModel(model, json, side, options));
  if (json !== undefined)
    return inFile(folder, FILES[1], () =>
      parseTokenizer(json, { ...options, ...side, format: 'tokenizer.json' }),
    );
  if (bin !== undefined) return inFile(folder, FILES[2], () => parseTokenizer(bin, options));
  throw failure(OP, `the folder ${folder} holds no vocabulary`, `looked for ${FILES.join(', ')}`);
}

/** The files beside a vocabulary that say more about it; what the caller gives comes first. */
export async function sideFilesOf(folder: string, given: SideFiles): Promise<SideFiles> {
  const read = async (name: string): Promise<string | undefined> => {
    const bytes = await bytesIfThere(join(folder, name));
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  return {
    config: given.config ?? (await read('tokenizer_config.json')),
    addedTokens: given.addedTokens ?? (await read('added_tokens.json')),
    specialTokensMap: given.specialTokensMap ?? (await read('special_tokens_map.json')),
  };
}

function withModel(
  bytes: Uint8Array,
  json: Uint8Array | undefined,
  side: SideFiles,
  options: ParseOptions,
): AnyTokenizer {
  const format = options.format ?? detectFormat(bytes);
  if (format === 'tokenizer.json' || (format !== 'sentencepiece' && json === undefined))
    return parseTokenizer(json ?? bytes, { ...options, ...side, format });
  if (format !== 'sentencepiece') return withRanks(bytes, json as Uint8Array, side, { ...options, format });
  const model = readSentencePieceModel(bytes);
  const { config, added } = readSideFiles(OP, side);
  if (json === undefined) return extendModel(model, added, config);
  const root = parseObject(OP, new TextDecoder().decode(json), 'tokenizer.json');
  const listed = Array.isArray(root['added_tokens']) ? root['added_tokens'] : [];
  const all = mergeAdded(
    OP,
    listed.map((item) => readAddedToken(OP, item)),
    added,
    ['tokenizer.json', 'the files beside it'],
  );
  const extended = extendModel(model, all, config); // throws where the two contradict each other
  let whole: AnyTokenizer;
  try {
    whole = parseTokenizer(json, { ...side, format: 'tokenizer.json' });
  } catch (error) {
    // the same vocabulary in a form that is not supported: its added tokens are known, and the model says the rest
    if (error instanceof TokenizerError && error.what.endsWith(' is not supported')) return extended;
    throw error;
  }
  requireSameTokens(extended, whole);
  return adds(model, all) || whole.vocabSize > extended.vocabSize ? whole : extendModel(model, added, config);
}

/** A file of ranks does not name its special tokens: tokenizer.json does. */
function withRanks(
  bytes: Uint8Array,
  json: Uint8Array,
  side: SideFiles,
  options: ParseOptions,
): AnyTokenizer {
  const ranks = parseTokenizer(bytes, options);
  const whole = parseTokenizer(json, { ...side, format: 'tokenizer.json' });
  for (let id = 0; id < Math.min(ranks.vocabSize, whole.vocabSize); id++) {
    if (ranks.tokenBytes(id).length === 0) continue; // a special token, by a name that is a guess
    if (ranks.idToPiece(id) !== whole.idToPiece(id)) throw differs(id, ranks, whole);
  }
  return whole.fingerprint === ranks.fingerprint ? ranks : whole;
}

function requireSameTokens(model: AnyTokenizer, json: AnyTokenizer): void {
  for (let id = 0; id < Math.min(model.vocabSize, json.vocabSize); id++) {
    const piece = model.idToPiece(id);
    if (piece === json.idToPiece(id)) continue;
    const other = json.pieceToId(piece);
    if (other !== undefined && other !== id)
      throw contradiction(OP, piece, 'tokenizer.model', id, 'tokenizer.json', other);
    throw differs(id, model, json);
  }
}

function differs(id: number, model: AnyTokenizer, json: AnyTokenizer): Error {
  return failure(
    OP,
    `the id ${id} is ${shown(model.idToPiece(id))} in tokenizer.model and ${shown(json.idToPiece(id))} ` +
      'in tokenizer.json',
    'the files contradict each other: remove the one that does not belong to the model',
  );
}

/** Says in an error which file it is about. */
function inFile<T>(folder: string, name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw atFile(error, join(folder, name));
  }
}

/** The same error with the path that was read. */
export function atFile(error: unknown, file: string): unknown {
  if (!(error instanceof TokenizerError)) return error;
  return new TokenizerError(error.op, error.what, `${error.hint} (file: ${file})`, { cause: error });
}

async function bytesIfThere(path: string): Promise<Uint8Array | undefined> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() === true;
  return isFile ? new Uint8Array(await readFile(path)) : undefined;
}
