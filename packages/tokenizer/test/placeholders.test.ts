import { describe, expect, it } from 'vitest';
import { PieceList, SentencePieceTokenizer } from '../src/index.ts';
import { ByteTable } from '../src/bytes/byte-table.ts';
import { isFastVocabulary } from '../src/sentencepiece/rules.ts';
import { UNUSED } from '../src/sentencepiece/piece-list.ts';
import { TEXTS, trainedPieces } from './trained.ts';

/** The trained pieces with others of type "unused" behind them. */
function withUnused(texts: readonly string[]): SentencePieceTokenizer {
  const { model } = trainedPieces();
  const own = Array.from({ length: model.pieces.size }, (_, id) => model.pieces.at(id));
  const more = texts.map((piece) => ({ piece, score: -10_000, type: UNUSED }));
  return SentencePieceTokenizer.fromPieces(PieceList.from([...own, ...more]), model.settings);
}

function isFast({ model }: SentencePieceTokenizer): boolean {
  const { pieces, settings } = model;
  const table = new ByteTable(pieces.pool, pieces.offsets);
  for (let id = 0; id < pieces.size; id++) if (![2, 3, 6].includes(pieces.types[id])) table.add(id);
  return isFastVocabulary(pieces, settings, table, new Set());
}

describe('unused pieces', () => {
  const plain = trainedPieces();

  it('that no merge makes cost neither speed nor ids', () => {
    const filled = withUnused(['[PAD1000]', '[PAD1001]', '東京[']);
    expect([isFast(plain), isFast(filled)]).toEqual([true, true]);
    for (const text of [...TEXTS, '[PAD1000]', ' [PAD1001][PAD', '東京['])
      expect([...filled.encode(text)], text).toEqual([...plain.encode(text)]);
  });

  it('that are a character, or two pieces, are taken apart on the slow path', () => {
    for (const piece of ['\u{1f999}', 'th\u{1f999}', 'zzqq'.slice(0, 2)]) {
      const filled = withUnused([piece]);
      expect(isFast(filled), piece).toBe(false);
    }
  });
});
