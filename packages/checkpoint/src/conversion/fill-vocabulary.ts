import { fail } from '@cria/tensor';
import type { GgufEntry } from '@cria/tokenizer';

/*
 * Embeddings often have more rows than the vocabulary has tokens: rows padded to a multiple of 8,
 * 64 or 128. Formats that take the number of tokens for the number of rows need a token for each:
 * llama.cpp's converter (convert_hf_to_gguf.py get_vocab_base, _create_vocab_sentencepiece) fills
 * up with unused tokens, which no text gives.
 */

const TOKENS = 'tokenizer.ggml.tokens';
const SCORES = 'tokenizer.ggml.scores';
const TYPES = 'tokenizer.ggml.token_type';
const NORMAL = 1;
const UNUSED = 5;
/** So low that no merge is ever better: the score that llama.cpp's converter writes. */
const SCORE = -10_000;

/** The vocabulary of a GGUF file with a token for each of `rows` rows. */
export function filledMetadata(
  op: string,
  metadata: ReadonlyMap<string, GgufEntry>,
  rows: number,
): ReadonlyMap<string, GgufEntry> {
  const tokens = metadata.get(TOKENS);
  if (tokens?.type !== 'array' || tokens.value.length === rows) return metadata;
  const { length } = tokens.value;
  if (length > rows)
    fail(
      op,
      `the vocabulary has ${length} tokens, the embedding ${rows} rows.`,
      'it belongs to another model',
    );
  const texts = Array.from(tokens.value, String);
  const filled = new Map(metadata);
  const put = (key: string, of: 'string' | 'f32' | 'i32', value: ArrayLike<string | number>) =>
    filled.set(key, { type: 'array', of, value });
  put(TOKENS, 'string', [...texts, ...placeholders(texts, rows)]);
  const scores = numbersOf(metadata.get(SCORES));
  if (scores)
    put(
      SCORES,
      'f32',
      Float32Array.from({ length: rows }, (_, id) => scores[id] ?? SCORE),
    );
  const types = numbersOf(metadata.get(TYPES));
  const typeOf = (id: number) => (id < length ? (types?.[id] ?? NORMAL) : UNUSED);
  put(
    TYPES,
    'i32',
    Int32Array.from({ length: rows }, (_, id) => typeOf(id)),
  );
  return filled;
}

/**
 * A llama2.c `tokenizer.bin` with a token for each of `rows` rows, so many of which its programs
 * read without looking for the end.
 */
export function filledTokenizerBin(op: string, bytes: Uint8Array, rows: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  for (let at = 4; at < bytes.length;) {
    const length = view.getInt32(at + 4, true);
    texts.push(new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length)));
    at += 8 + length;
  }
  if (texts.length > rows)
    fail(
      op,
      `the vocabulary has ${texts.length} tokens, the embedding ${rows} rows.`,
      'it belongs to another model',
    );
  const added = placeholders(texts, rows).map((text) => new TextEncoder().encode(text));
  const out = new Uint8Array(added.reduce((sum, text) => sum + 8 + text.length, bytes.length));
  out.set(bytes);
  const written = new DataView(out.buffer);
  written.setUint32(
    0,
    added.reduce((most, { length }) => Math.max(most, length), view.getUint32(0, true)),
    true,
  );
  let at = bytes.length;
  for (const text of added) {
    written.setFloat32(at, SCORE, true);
    written.setInt32(at + 4, text.length, true);
    out.set(text, at + 8);
    at += 8 + text.length;
  }
  return out;
}

/** `[PAD384]`, … for the ids up to `rows`; a text that is a token already gets more brackets. */
function placeholders(texts: readonly string[], rows: number): string[] {
  const taken = new Set(texts);
  return Array.from({ length: rows - texts.length }, (_, i) => {
    let text = `[PAD${texts.length + i}]`;
    while (taken.has(text)) text = `[${text}]`;
    return text;
  });
}

function numbersOf(entry: GgufEntry | undefined): readonly number[] | undefined {
  return entry?.type === 'array' ? Array.from(entry.value, Number) : undefined;
}
