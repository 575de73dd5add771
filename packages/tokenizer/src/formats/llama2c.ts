/**
 * llama2.c's `tokenizer.bin` (karpathy/llama2.c, tokenizer.py): scores and texts of the pieces, `▁`
 * written as a space.
 */
import { failure } from '../errors.ts';
import { BYTE, CONTROL, NORMAL, PieceListBuilder, UNKNOWN, UNUSED } from '../sentencepiece/piece-list.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/utf8.ts';
import { refuseWrongFile } from '../wrong-file.ts';

const OP = 'readLlama2c';
const HINT = 'this is no llama2.c tokenizer.bin, or a damaged one';

/** Score of the placeholders that stand for rows of the embedding without a token. */
const PLACEHOLDER_SCORE = -10_000;

/**
 * The file does not hold types: ids 0, 1, 2 are `<unk>`, `<s>`, `</s>`, pieces named `<0xHH>` are
 * bytes, as in every LLaMA vocabulary, and `[PAD32001]` at id 32001 with a score that no piece has
 * is a placeholder.
 */
export function readLlama2c(bytes: Uint8Array): SentencePieceTokenizer {
  refuseWrongFile(OP, bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) throw failure(OP, `the file has ${bytes.length} bytes`, HINT);
  const longest = view.getInt32(0, true);
  if (longest < 1 || longest > 8000) throw failure(OP, `the longest token has ${longest} bytes`, HINT);
  const builder = new PieceListBuilder(bytes.length >> 3, bytes.length);
  const names = ['<unk>', '<s>', '</s>'];
  let id = 0;
  for (let at = 4; at < bytes.length; id++) {
    if (at + 8 > bytes.length) throw failure(OP, `token ${id} is cut short`, HINT);
    const score = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    at += 8;
    if (length < 1 || length > longest || at + length > bytes.length)
      throw failure(OP, `token ${id} has ${length} bytes`, HINT);
    const text = decodeUtf8(bytes.subarray(at, at + length));
    at += length;
    const isByte = isByteName(text);
    const piece = encodeUtf8(id < 3 ? names[id] : isByte ? text : text.replaceAll(' ', '▁'));
    builder.add(piece, 0, piece.length, score, typeOf(id, text, score));
  }
  const pieces = builder.finish();
  return SentencePieceTokenizer.fromPieces(pieces, { byteFallback: pieces.types.includes(BYTE) });
}

function isByteName(text: string): boolean {
  return /^<0x[0-9A-F]{2}>$/.test(text);
}

function typeOf(id: number, text: string, score: number): number {
  if (id < 3) return id === 0 ? UNKNOWN : CONTROL;
  if (isByteName(text)) return BYTE;
  return text === `[PAD${id}]` && score === PLACEHOLDER_SCORE ? UNUSED : NORMAL;
}

/**
 * Throws where the format cannot hold the vocabulary: other special ids, spaces inside names,
 * user-defined or unused pieces.
 */
export function writeLlama2c(tokenizer: SentencePieceTokenizer): Uint8Array {
  const { pieces, settings } = tokenizer.model;
  const cannot = (why: string): Error =>
    failure('writeLlama2c', why, 'keep this vocabulary as a tokenizer.model');
  if (tokenizer.unkId !== 0 || tokenizer.bosId !== 1 || tokenizer.eosId !== 2)
    throw cannot('llama2.c has <unk>, <s>, </s> at 0, 1, 2');
  if (
    !settings.addDummyPrefix ||
    settings.removeExtraWhitespaces ||
    settings.treatWhitespaceAsSuffix ||
    tokenizer.prefix !== 'always'
  ) {
    throw cannot('llama2.c puts one space before every text');
  }
  if (pieces.spacedNames.size > 0) throw cannot('a piece has a space in its name');
  if (settings.byteFallback !== pieces.types.includes(BYTE))
    throw cannot('llama2.c spells unknown characters in bytes exactly when there are byte pieces');
  const parts: Uint8Array[] = [];
  let longest = 1;
  let total = 4;
  for (let id = 0; id < pieces.size; id++) {
    const { piece, type } = pieces.at(id);
    if (type !== typeOf(id, piece, pieces.scores[id]))
      throw cannot(`llama2.c has no place for the type of piece ${id} '${piece}'`);
    const text = encodeUtf8(id === 1 || id === 2 ? `\n${piece}\n` : piece.replaceAll('▁', ' '));
    longest = Math.max(longest, text.length);
    total += 8 + text.length;
    parts.push(text);
  }
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  view.setInt32(0, longest, true);
  let at = 4;
  parts.forEach((text, id) => {
    view.setFloat32(at, pieces.scores[id], true);
    view.setInt32(at + 4, text.length, true);
    out.set(text, at + 8);
    at += 8 + text.length;
  });
  return out;
}
