/** A vocabulary of pieces in the words of a tokenizer.json. */
import { compareSpaceMerges, isSpaces, mergeList, type MergeList } from '../bpe/merge-list.ts';
import { mergesOfRanks } from '../bpe/rank-merges.ts';
import { TokenBytes } from '../bytes/token-bytes.ts';
import { BYTE, CONTROL, UNKNOWN, UNUSED, USER_DEFINED } from '../sentencepiece/piece-list.ts';
import type { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { simplifyPattern } from '../text/splitter.ts';
import { cannot, normalizerJson, splitJson, type WrittenParts } from './tokenizer-json-writer-steps.ts';

export function pieceParts(tokenizer: SentencePieceTokenizer): WrittenParts {
  const { pieces, settings } = tokenizer.model;
  if (settings.removeExtraWhitespaces || settings.treatWhitespaceAsSuffix)
    throw cannot('trimming or moving spaces has no place in this layout');
  if (!settings.byteFallback && settings.modelType === 'bpe')
    throw cannot('the layout is for vocabularies with byte fallback');
  if (settings.characterMap !== undefined) throw cannot('a character map works otherwise there');
  if (pieces.spacedNames.size > 0) throw cannot('a piece has a space in its name');
  const strips = tokenizer.options.decodeStrips ?? settings.addDummyPrefix;
  return {
    ...spaceParts(tokenizer),
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      ...(strips ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
    ],
    model: settings.modelType === 'unigram' ? unigramModel(tokenizer) : bpeModel(tokenizer),
  };
}

/** Ids of the pieces that the model has; tokens found before it stand with the added ones alone. */
function modelPieces(tokenizer: SentencePieceTokenizer): { readonly piece: string; readonly id: number }[] {
  const { pieces } = tokenizer.model;
  const added = new Set(tokenizer.addedTokens.map(({ id }) => id));
  return Array.from({ length: pieces.size }, (_, id) => id).flatMap((id) => {
    const { piece, type } = pieces.at(id);
    if (type === UNUSED || (type === USER_DEFINED && !added.has(id)))
      throw cannot(
        `piece ${id} '${piece}' is ${type === UNUSED ? 'unused' : 'user-defined'}, which Hugging Face treats otherwise`,
      );
    const absent = type === USER_DEFINED || (type === CONTROL && !added.has(id));
    return absent ? [] : [{ piece, id }];
  });
}

function bpeModel(tokenizer: SentencePieceTokenizer): object {
  const { pieces } = tokenizer.model;
  const vocab = Object.create(null) as Record<string, number>; // a token may be called __proto__
  for (const { piece, id } of modelPieces(tokenizer)) vocab[piece] = id;
  const skip = pieces.types.map((type) =>
    type === CONTROL || type === UNKNOWN || type === BYTE || type === USER_DEFINED ? 1 : 0,
  );
  const pairs: [string, string][] = [];
  const merges = tokenizer.merges ?? scoreMerges(tokenizer, skip);
  merges.forEach((left, right) => pairs.push([pieces.name(left), pieces.name(right)]));
  return {
    type: 'BPE',
    dropout: null,
    unk_token: tokenizer.unkId === undefined ? null : pieces.name(tokenizer.unkId),
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: tokenizer.model.settings.byteFallback,
    ignore_merges: false,
    vocab,
    merges: pairs,
  };
}

function unigramModel(tokenizer: SentencePieceTokenizer): object {
  const { pieces, settings } = tokenizer.model;
  const vocab = modelPieces(tokenizer).map(({ piece, id }, place) => {
    if (id !== place) throw cannot(`piece ${id} stands behind an id that is no piece`);
    return [piece, pieces.scores[id]];
  });
  return { type: 'Unigram', unk_id: tokenizer.unkId ?? null, vocab, byte_fallback: settings.byteFallback };
}

const SPLITS_AT_SPACES = JSON.stringify([{ pattern: '[ ▁]', behavior: 'merged_with_next' }]);

function spaceParts(tokenizer: SentencePieceTokenizer): Pick<WrittenParts, 'normalizers' | 'preTokenizers'> {
  const { normalizer = [], pattern } = tokenizer.options;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const written = normalizer.map(normalizerJson);
  const simple = pattern === undefined ? undefined : simplifyPattern(pattern);
  const cuts = JSON.stringify(simple) === SPLITS_AT_SPACES;
  if (!tokenizer.model.settings.addDummyPrefix) {
    const steps = typeof simple === 'string' ? [{ pattern: simple }] : (simple ?? []);
    const splits = steps.map((step) => {
      if ('prefix' in step) throw cannot('a space is put before every part of a text');
      return splitJson(step);
    });
    if (cuts && normalizer.length === 0)
      return { normalizers: [], preTokenizers: [metaspaceJson('never', true)] };
    return { normalizers: normalizer.length > 0 ? written : [replace], preTokenizers: splits };
  }
  if (tokenizer.prefixBeforeSpace && tokenizer.prefix === 'always' && pattern === undefined)
    return { normalizers: [...written, { type: 'Prepend', prepend: '▁' }, replace], preTokenizers: [] };
  if (tokenizer.prefixBeforeSpace || (pattern !== undefined && !cuts))
    throw cannot(`this rule of the dummy space (prefix '${tokenizer.prefix}') has no place in this layout`);
  return { normalizers: written, preTokenizers: [metaspaceJson(tokenizer.prefix, cuts)] };
}

function metaspaceJson(scheme: 'always' | 'first' | 'never', split: boolean): object {
  return { type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split };
}

/**
 * Merges in the order of the pieces' scores. Throws where two mergeable pieces share a score, which
 * a list cannot say.
 */
function scoreMerges(tokenizer: SentencePieceTokenizer, skip: Uint8Array): MergeList {
  const { pieces } = tokenizer.model;
  const triples = mergesOfRanks(new TokenBytes(pieces.pool, pieces.offsets), skip);
  const names = Array.from({ length: pieces.size }, (_, id) => pieces.name(id));
  const order = Array.from({ length: triples.length / 3 }, (_, i) => 3 * i);
  const score = (at: number): number => pieces.scores[triples[at + 2]];
  const length = (at: number): number => names[triples[at]].length;
  const spaces = (at: number): boolean => isSpaces(names[triples[at + 2]]);
  order.sort((a, b) => {
    if (score(a) !== score(b)) return score(b) - score(a);
    return spaces(a) && spaces(b)
      ? compareSpaceMerges(length(a), length(a + 1), length(b), length(b + 1))
      : triples[a + 2] - triples[b + 2] || a - b;
  });
  const sorted = new Int32Array(triples.length);
  order.forEach((at, i) => sorted.set(triples.subarray(at, at + 3), 3 * i));
  for (let i = 1; i < order.length; i++) {
    const [a, b] = [order[i - 1], order[i]];
    if (score(a) === score(b) && triples[a + 2] !== triples[b + 2] && !(spaces(a) && spaces(b))) {
      throw cannot(
        `the pieces '${names[triples[a + 2]]}' and '${names[triples[b + 2]]}' have the same score, which ` +
          'a merge list cannot say',
      );
    }
  }
  return mergeList(sorted);
}
