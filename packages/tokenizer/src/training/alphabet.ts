/** Which characters get a piece, and the words of the text written in them. */
import type { TrainingText } from './bpe-trainer.ts';
import { failure } from '../errors.ts';
import { codePointAt, sequenceLength } from '../bytes/utf8.ts';
import type { WordCounts } from './word-counter.ts';

const OP = 'trainTokenizer';
const SPACE = 0x20;

export interface Alphabet {
  /** Code points (0x20 for `▁`): ascending as code points of pieces, and by falling count. */
  readonly sorted: readonly number[];
  readonly byCount: readonly number[];
}

/**
 * The most frequent characters until their share of the text reaches the coverage (compared in
 * float32, as there).
 */
export function chooseAlphabet(
  words: WordCounts,
  options: { readonly characterCoverage: number; readonly requiredChars: string },
): Alphabet {
  const counts = new Float64Array(0x110000);
  let all = 0;
  const { pool, offsets } = words;
  for (let word = 0; word < words.counts.length; word++) {
    const count = words.counts[word];
    for (let at = offsets[word]; at < offsets[word + 1];) {
      const length = sequenceLength(pool[at]);
      const code = codePointAt(pool, at, length);
      at += length;
      if (code === 0) continue;
      counts[code] += count;
      all += count;
    }
  }
  if (all === 0)
    throw failure(
      OP,
      'there is no text to train on',
      'give texts with at least one line that is not too long',
    );
  const required = new Set(
    Array.from(options.requiredChars.replaceAll('▁', ' '), (character) => character.codePointAt(0) ?? 0),
  );
  required.delete(0);
  const order = (code: number): number => (code === SPACE ? 0x2581 : code);
  const codes = [...required];
  for (let code = 1; code < counts.length; code++)
    if (counts[code] > 0 && !required.has(code)) codes.push(code);
  codes.sort(
    (a, b) =>
      Number(required.has(b)) - Number(required.has(a)) || counts[b] - counts[a] || order(a) - order(b),
  );
  const coverage = Math.fround(options.characterCoverage);
  let covered = 0;
  const chosen: number[] = [];
  for (const code of codes) {
    if (Math.fround(covered / all) >= coverage) break;
    covered += counts[code];
    if (code !== BOUNDARY) chosen.push(code);
  }
  return {
    sorted: [...chosen].sort((a, b) => order(a) - order(b)),
    byCount: [...chosen].sort((a, b) => counts[b] - counts[a] || order(a) - order(b)),
  };
}

/** U+001F stands where a reserved piece was cut out of the text. */
const BOUNDARY = 0x1f;

/** All words in one row of cells, 0 between them. */
export function layOut(words: WordCounts, alphabet: Alphabet): TrainingText {
  const { pool, offsets, counts } = words;
  const numbers = new Int32Array(0x110000);
  alphabet.sorted.forEach((code, i) => (numbers[code] = i + 1));
  const cells = new Int32Array(pool.length + counts.length + 2);
  const weights = new Float64Array(cells.length);
  let end = 1;
  for (let word = 0; word < counts.length; word++) {
    const count = counts[word];
    const to = offsets[word + 1];
    for (let at = offsets[word]; at < to;) {
      const lead = pool[at];
      weights[end] = count;
      if (lead < 0x80) {
        cells[end++] = numbers[lead];
        at++;
      } else {
        const length = sequenceLength(lead);
        cells[end++] = numbers[codePointAt(pool, at, length)];
        at += length;
      }
    }
    end++;
  }
  return { cells: cells.subarray(0, end + 1), weights, alphabet: alphabet.sorted.length };
}
