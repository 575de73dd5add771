/*
 * Document filters of the paper's GitHub data (section 2.1 there), with the thresholds that
 * RedPajama chose for them: the paper states none. Lengths are in Unicode characters (code points).
 */
import type { DropReason } from './report.ts';

export interface FilterOptions {
  /** Drop documents with a longer line. 0: no limit. */
  readonly maxLineLength?: number;
  /** Drop documents whose lines are longer on average. 0: no limit. */
  readonly maxMeanLineLength?: number;
  /** Drop documents with a smaller share of letters and digits among their characters. */
  readonly minAlphanumericShare?: number;
  /** Drop documents with fewer letters per token; 1.5 in RedPajama, with LLaMA's vocabulary of 32,000. */
  readonly minLettersPerToken?: number;
  /** Cut a comment off the head of the file when it speaks of copyright or licence. */
  readonly stripLicenceHeader?: boolean;
  /** Drop files called LICENSE, COPYING and the like. */
  readonly dropLicenceFiles?: boolean;
}

/**
 * What a file gets when its source says nothing: code the GitHub filters, prose none (a paragraph
 * is often one long line).
 */
export const defaultFilters: {
  readonly code: Required<FilterOptions>;
  readonly text: Required<FilterOptions>;
} = {
  code: {
    maxLineLength: 1000,
    maxMeanLineLength: 100,
    minAlphanumericShare: 0.25,
    minLettersPerToken: 0,
    stripLicenceHeader: true,
    dropLicenceFiles: true,
  },
  text: {
    maxLineLength: 0,
    maxMeanLineLength: 0,
    minAlphanumericShare: 0,
    minLettersPerToken: 0,
    stripLicenceHeader: false,
    dropLicenceFiles: true,
  },
};

export interface TextStatistics {
  /** Characters of the longest line, and per line, line ends not counted. */
  readonly maxLine: number;
  readonly meanLine: number;
  /** Letters and digits of any script over all characters, line ends included. */
  readonly alphanumericShare: number;
  readonly letters: number;
}

const WIDE_LETTERS = /(?=[^\0-\x7f])\p{L}/gu;
const WIDE_DIGITS = /(?=[^\0-\x7f])\p{N}/gu;

/** The numbers the filters look at. */
export function textStatistics(text: string): TextStatistics {
  let maxLine = 0;
  let lines = 0;
  let characters = 0;
  for (let start = 0; start <= text.length;) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    // A last line end closes the last line and opens no new one.
    if (newline < 0 && start === text.length && lines > 0) break;
    const length = countCharacters(text, start, end);
    maxLine = Math.max(maxLine, length);
    characters += length;
    lines++;
    start = end + 1;
  }
  const { letters, digits } = countAlphanumerics(text);
  const newlines = text.endsWith('\n') ? lines : lines - 1;
  const all = characters + newlines;
  return {
    maxLine,
    meanLine: lines === 0 ? 0 : characters / lines,
    alphanumericShare: all === 0 ? 0 : (letters + digits) / all,
    letters,
  };
}

/** The first filter that the text does not pass. `tokens` is needed for `minLettersPerToken` only. */
export function failedFilter(
  text: string,
  filters: Required<FilterOptions>,
  tokens?: number,
): DropReason | undefined {
  const { maxLineLength, maxMeanLineLength, minAlphanumericShare, minLettersPerToken } = filters;
  if (!maxLineLength && !maxMeanLineLength && !minAlphanumericShare && !minLettersPerToken) return undefined;
  const statistics = textStatistics(text);
  if (maxLineLength > 0 && statistics.maxLine > maxLineLength) return 'long line';
  if (maxMeanLineLength > 0 && statistics.meanLine > maxMeanLineLength) return 'long mean line';
  if (statistics.alphanumericShare < minAlphanumericShare) return 'few alphanumerics';
  if (tokens !== undefined && statistics.letters < minLettersPerToken * tokens)
    return 'few letters per token';
  return undefined;
}

const HEAD_BLOCK = /^\s*(?:\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->)[^\S\n]*\n?/;
const HEAD_LINES = /^(?:[^\S\n]*(?:\/\/|#(?![a-z])|--)[^\n]*(?:\n|$)|[^\S\n]*\n)+/;
const LICENCE = /copyright|licen[cs]e|SPDX-/i;

/**
 * The text without the comment at its head if that speaks of copyright or licence. RedPajama
 * removes leading line comments in any case, and with them `#include` lines and the first
 * documentation; here they must mention a licence, and directives stay.
 */
export function stripLicenceHeader(text: string): string {
  const head = HEAD_BLOCK.exec(text) ?? HEAD_LINES.exec(text);
  return head && LICENCE.test(head[0]) ? text.slice(head[0].length) : text;
}

/** LICENSE, LICENCE.md, COPYING, NOTICE.txt, `third-party-licenses.txt`, certificates. */
export function isLicenceFile(name: string): boolean {
  return (
    /(^|[-_.])(licen[cs]es?|copying|notice|unlicense)([-_.]|$)/i.test(name) || /\.(crt|pem)$/i.test(name)
  );
}

function countCharacters(text: string, start: number, end: number): number {
  let count = end - start;
  for (let i = start; i < end - 1; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) count--;
  }
  return count;
}

/** ASCII by table (almost all of code), other scripts by Unicode property. */
function countAlphanumerics(text: string): { letters: number; digits: number } {
  let letters = 0;
  let digits = 0;
  let wide = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) wide = true;
    else if ((unit | 32) >= 97 && (unit | 32) <= 122) letters++;
    else if (unit >= 48 && unit <= 57) digits++;
  }
  if (!wide) return { letters, digits };
  return {
    letters: letters + (text.match(WIDE_LETTERS)?.length ?? 0),
    digits: digits + (text.match(WIDE_DIGITS)?.length ?? 0),
  };
}
