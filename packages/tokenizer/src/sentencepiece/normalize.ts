/** What SentencePiece does to a text before it looks for pieces (normalizer.cc). */
import { encodeUtf8 } from '../bytes/utf8.ts';
import { CharacterMap } from '../text/character-map.ts';
import type { SentencePieceSettings } from './model.ts';
import { USER_DEFINED, type PieceList } from './piece-list.ts';

/** A function of a text and of whether the dummy space goes to it; spaces come out as `▁`. */
export function normalizerOf(
  settings: SentencePieceSettings,
  pieces: PieceList,
): (text: string, prefix: boolean) => string {
  const { characterMap, removeExtraWhitespaces, treatWhitespaceAsSuffix } = settings;
  const map = characterMap === undefined ? undefined : new CharacterMap(characterMap);
  const keep = map === undefined ? undefined : userDefinedAt(pieces);
  return (text, prefix) => {
    let normalized = text.replace(/[\ud800-\udfff]/gu, '\ufffd');
    if (map !== undefined) normalized = map.replaceLongest(normalized, keep);
    if (removeExtraWhitespaces) normalized = normalized.replace(/^ +/, '').replace(/ {2,}/g, ' ');
    if (normalized.length === 0) return '';
    normalized = normalized.replaceAll(' ', '▁');
    if (prefix && !treatWhitespaceAsSuffix) normalized = `▁${normalized}`;
    if (removeExtraWhitespaces) normalized = normalized.replace(/▁+$/, '');
    if (prefix && treatWhitespaceAsSuffix) normalized += '▁';
    return normalized;
  };
}

/** User-defined pieces are found in the text as it is, and no character of them is mapped. */
function userDefinedAt(pieces: PieceList): (bytes: Uint8Array, at: number) => number {
  const names: Uint8Array[] = [];
  for (let id = 0; id < pieces.size; id++)
    if (pieces.types[id] === USER_DEFINED) names.push(encodeUtf8(pieces.name(id)));
  names.sort((a, b) => b.length - a.length);
  return (bytes, at) => names.find((name) => name.every((byte, i) => bytes[at + i] === byte))?.length ?? 0;
}
