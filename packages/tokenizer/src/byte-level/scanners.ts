/**
 * The split patterns of LLaMA's family as scanners over UTF-8: 20 times as fast as the expressions,
 * which the tests hold them against.
 */
import { classAt, lengthOf, LETTER, NUMBER, OTHER, WHITE } from './character-classes.ts';
import { DIGIT, GPT2_ORIGINAL, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN } from './patterns.ts';
import { simplifyPattern, type SplitPattern } from '../text/splitter.ts';

/** End of the chunk that begins at `at`, in bytes[.. end), valid UTF-8. */
export type ChunkScanner = (bytes: Uint8Array, at: number, end: number) => number;

const SCANNERS: ReadonlyMap<string, ChunkScanner> = new Map<string, ChunkScanner>([
  [keyOf(LLAMA3_PATTERN), (bytes, at, end) => scanLlama3(bytes, at, end, 3)],
  [keyOf(QWEN2_PATTERN), (bytes, at, end) => scanLlama3(bytes, at, end, 1)],
  [keyOf(GPT2_PATTERN), (bytes, at, end) => scanGpt2(bytes, at, end, false)],
  [keyOf(GPT2_ORIGINAL), (bytes, at, end) => scanGpt2(bytes, at, end, false)],
  [
    keyOf([{ pattern: DIGIT }, { pattern: GPT2_PATTERN }]),
    (bytes, at, end) => scanGpt2(bytes, at, end, true),
  ],
]);

export function scannerFor(pattern: SplitPattern): ChunkScanner | undefined {
  return SCANNERS.get(keyOf(pattern));
}

/** Equal for patterns that are written in different forms of the same. */
function keyOf(pattern: SplitPattern): string {
  return JSON.stringify(simplifyPattern(pattern));
}

const APOSTROPHE = 0x27;
const SPACE = 0x20;
const LF = 0x0a;
const CR = 0x0d;

/** Llama 3's pattern with at most `most` digits to a chunk. */
function scanLlama3(bytes: Uint8Array, at: number, end: number, most: number): number {
  const first = bytes[at];
  const kind = classAt(bytes, at);
  let next = at + lengthOf(first);
  if (kind === LETTER) return runOf(LETTER, bytes, next, end);
  if (kind === NUMBER) {
    for (let more = 1; more < most && next < end && classAt(bytes, next) === NUMBER; more++)
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

/**
 * GPT-2's pattern. Where digits were cut out before, one by one, a digit is an end of the text to
 * everything else.
 */
function scanGpt2(bytes: Uint8Array, at: number, end: number, digitsApart: boolean): number {
  const first = bytes[at];
  const kind = classAt(bytes, at);
  const next = at + lengthOf(first);
  if (digitsApart && kind === NUMBER) return next;
  if (first === APOSTROPHE && next < end) {
    const a = bytes[next];
    if (a === 0x73 || a === 0x74 || a === 0x6d || a === 0x64) return next + 1;
    const b = next + 1 < end ? bytes[next + 1] : 0;
    if (((a === 0x72 || a === 0x76) && b === 0x65) || (a === 0x6c && b === 0x6c)) return next + 2;
  }
  if (kind !== WHITE) return runOf(kind, bytes, next, end);
  if (first === SPACE && next < end) {
    const following = classAt(bytes, next);
    if (following !== WHITE && !(digitsApart && following === NUMBER))
      return runOf(following, bytes, next, end);
  }
  let to = next;
  let lastWhite = at;
  while (to < end && classAt(bytes, to) === WHITE) {
    lastWhite = to;
    to += lengthOf(bytes[to]);
  }
  if (digitsApart && to < end && classAt(bytes, to) === NUMBER) return to;
  return to === end || lastWhite === at ? to : lastWhite;
}

function runOf(kind: number, bytes: Uint8Array, at: number, end: number): number {
  while (at < end && classAt(bytes, at) === kind) at += lengthOf(bytes[at]);
  return at;
}
