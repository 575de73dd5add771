/**
 * How byte-level vocabularies cut a text before merging. A pattern is a regular expression in tiktoken's dialect; the two that LLaMA
 * and GPT-2 use have a hand-written scanner over UTF-8 (20 times faster than the expression, which the tests hold it against), any
 * other runs as a JavaScript expression.
 */
import { classAt, lengthOf, LETTER, NUMBER, OTHER, WHITE } from './character-classes.ts';
import { failure } from './errors.ts';

/** Llama 3's (and cl100k's form of) split. */
export const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
export const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** GPT-2's as it stands in its own source. */
const GPT2_ORIGINAL = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** End of the chunk that begins at `at`, in bytes[.. end), valid UTF-8. */
export type ChunkScanner = (bytes: Uint8Array, at: number, end: number) => number;

export function scannerFor(pattern: string): ChunkScanner | undefined {
  if (pattern === LLAMA3_PATTERN) return scanLlama3;
  if (pattern === GPT2_PATTERN || pattern === GPT2_ORIGINAL) return scanGpt2;
  return undefined;
}

/**
 * The pattern as a JavaScript expression: `\s` means Unicode White_Space as in tiktoken (JavaScript's has U+FEFF and lacks U+0085), and
 * `(?i:…)` of plain ASCII is spelled out, with the two letters outside ASCII that fold into it. Throws on what JavaScript lacks.
 */
export function compilePattern(pattern: string): RegExp {
  const spelled = pattern
    .replace(
      /\(\?i:((?:[^()\\[\]]|\\.)*)\)/g,
      (_, body: string) => `(?:${body.replace(/[A-Za-z]/g, foldLetter)})`,
    )
    .replace(/\\s/g, '\\p{White_Space}')
    .replace(/\\S/g, '\\P{White_Space}');
  try {
    return new RegExp(spelled, 'gu');
  } catch (error) {
    throw failure(
      'compilePattern',
      `the split pattern ${pattern} is not supported (${(error as Error).message})`,
      'use a pattern that JavaScript can express',
    );
  }
}

function foldLetter(letter: string): string {
  const lower = letter.toLowerCase();
  return `[${lower}${lower.toUpperCase()}${lower === 's' ? 'ſ' : lower === 'k' ? '\u212a' : ''}]`;
}

const APOSTROPHE = 0x27;
const SPACE = 0x20;
const LF = 0x0a;
const CR = 0x0d;

function scanLlama3(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at];
  const kind = classAt(bytes, at);
  let next = at + lengthOf(first);
  if (kind === LETTER) return runOf(LETTER, bytes, next, end);
  if (kind === NUMBER) {
    for (let more = 0; more < 2 && next < end && classAt(bytes, next) === NUMBER; more++)
      next += lengthOf(bytes[next]);
    return next;
  }
  if (first === APOSTROPHE) {
    const contraction = contractionEnd(bytes, next, end);
    if (contraction > 0) return contraction;
  }
  const following = next < end ? classAt(bytes, next) : -1;
  if (following === LETTER && first !== LF && first !== CR) return runOf(LETTER, bytes, next, end);
  if (kind === OTHER || (first === SPACE && following === OTHER)) {
    next = runOf(OTHER, bytes, next, end);
    while (next < end && (bytes[next] === LF || bytes[next] === CR)) next++;
    return next;
  }
  let lastBreak = first === LF || first === CR ? next : -1;
  let lastWhite = at;
  while (next < end && classAt(bytes, next) === WHITE) {
    lastWhite = next;
    const byte = bytes[next];
    next += lengthOf(byte);
    if (byte === LF || byte === CR) lastBreak = next;
  }
  if (lastBreak > 0) return lastBreak;
  return next === end || lastWhite === at ? next : lastWhite;
}

/** End of 's 't 're 've 'm 'll 'd in any case (with `ſ` for s) behind an apostrophe, or −1. */
function contractionEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const a = bytes[at];
  if (a === 0xc5) return at + 1 < end && bytes[at + 1] === 0xbf ? at + 2 : -1;
  const lower = a | 0x20;
  if (a < 0x41 || a > 0x7a) return -1;
  if (lower === 0x73 || lower === 0x74 || lower === 0x6d || lower === 0x64) return at + 1;
  if (at + 1 >= end || bytes[at + 1] < 0x41 || bytes[at + 1] > 0x7a) return -1;
  const second = bytes[at + 1] | 0x20;
  return ((lower === 0x72 || lower === 0x76) && second === 0x65) || (lower === 0x6c && second === 0x6c)
    ? at + 2
    : -1;
}

function scanGpt2(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at];
  const kind = classAt(bytes, at);
  const next = at + lengthOf(first);
  if (first === APOSTROPHE && next < end) {
    const a = bytes[next];
    if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return next + 1;
    const b = next + 1 < end ? bytes[next + 1] : 0;
    if (((a === 0x72 || a === 0x76) && b === 0x65) || (a === 0x6c && b === 0x6c)) return next + 2;
  }
  if (kind !== WHITE) return runOf(kind, bytes, next, end);
  if (first === SPACE && next < end) {
    const following = classAt(bytes, next);
    if (following !== WHITE) return runOf(following, bytes, next, end);
  }
  let to = next;
  let lastWhite = at;
  while (to < end && classAt(bytes, to) === WHITE) {
    lastWhite = to;
    to += lengthOf(bytes[to]);
  }
  return to === end || lastWhite === at ? to : lastWhite;
}

function runOf(kind: number, bytes: Uint8Array, at: number, end: number): number {
  while (at < end && classAt(bytes, at) === kind) at += lengthOf(bytes[at]);
  return at;
}
