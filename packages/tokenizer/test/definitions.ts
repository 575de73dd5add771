/**
 * Both ways of encoding, word for word as they are defined and without any bookkeeping: what the
 * fast ones are compared with.
 */
import type { ByteLevelTokenizer, SentencePieceTokenizer } from '../src/index.ts';

/** The split patterns as JavaScript expressions. */
export const LLAMA3_CHUNKS =
  /'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
export const GPT2_CHUNKS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Joins the neighbours with the least rank, of equals the first ones, until none have a rank. */
function merge(parts: string[], rank: (joined: string) => number): string[] {
  for (;;) {
    let least = Infinity;
    let at = -1;
    for (let i = 0; i + 1 < parts.length; i++) {
      const own = rank(parts[i] + parts[i + 1]);
      if (own < least) [least, at] = [own, i];
    }
    if (at < 0) return parts;
    parts.splice(at, 2, parts[at] + parts[at + 1]);
  }
}

/**
 * SentencePiece BPE with LLaMA's rules: a space in front, ▁ for spaces, the best score first, bytes
 * for what is no piece.
 */
export function definedPieces({ model, vocabSize }: SentencePieceTokenizer, text: string): number[] {
  if (text === '') return [];
  const ids = new Map<string, number>();
  const scores = new Map<string, number>();
  const bytes: number[] = [];
  for (let id = 0; id < vocabSize; id++) {
    const { piece, score } = model.pieces.at(id);
    const byte = /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1];
    if (byte !== undefined) bytes[parseInt(byte, 16)] = id;
    else if (id > 2) {
      ids.set(piece, id);
      scores.set(piece, score);
    }
  }
  const parts = merge([...` ${text}`.replaceAll(' ', '▁')], (joined) => -(scores.get(joined) ?? -Infinity));
  return parts.flatMap((part) => ids.get(part) ?? Array.from(Buffer.from(part), (byte) => bytes[byte]));
}

/** Byte-level BPE by ranks: in every chunk the token of the lowest id first. */
export function definedBytes(tokenizer: ByteLevelTokenizer, chunks: RegExp, text: string): number[] {
  const special = new Set(tokenizer.specialTokens.values());
  const ids = new Map<string, number>();
  for (let id = 0; id < tokenizer.vocabSize; id++)
    if (!special.has(id)) ids.set(Buffer.from(tokenizer.tokenBytes(id)).toString('latin1'), id);
  return [...text.matchAll(chunks)].flatMap(([chunk]) =>
    merge(
      Array.from(Buffer.from(chunk), (byte) => String.fromCharCode(byte)),
      (joined) => ids.get(joined) ?? Infinity,
    ).map((token) => ids.get(token) ?? -1),
  );
}
