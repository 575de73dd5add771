/**
 * Tokens that are found in a text as they stand, before anything is merged: special ones where a
 * caller allows them, others (Hugging Face's added tokens, user-defined tokens of GGUF) always. At
 * each place the longest name wins, whichever its kind.
 */
import { failure } from './errors.ts';
import type { EncodeOptions } from './tokenizer.ts';

/**
 * The fields are those of `added_tokens` in a tokenizer.json, with their meaning there. All flags
 * default to false.
 */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Read only where a caller allows it, and left out of decoded text where that is asked for. */
  readonly special?: boolean;
  /** Take the white space before (behind) the token with it. */
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  /** Only where no letter, digit or `_` touches it. */
  readonly singleWord?: boolean;
  /** Looked for in the normalised text, in its own normalised form. */
  readonly normalized?: boolean;
}

/** A stretch of a text: an added token, or plain text. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Id of the token, or −1 for plain text. */
  readonly id: number;
}

/**
 * Expressions kept for lists of allowed names: a caller that makes new ones all the time must not
 * fill the memory.
 */
const KEPT_PATTERNS = 64;

const SPACE = /\p{White_Space}/u;
const WORD = /[\p{L}\p{M}\p{N}\p{Pc}]/u;

interface Finder {
  readonly expression: RegExp;
  readonly tokens: ReadonlyMap<string, AddedToken>;
}

export class AddedTokens {
  readonly all: readonly AddedToken[];
  /** Whether some tokens are read in every text. */
  readonly always: boolean;
  readonly #spelled: (content: string) => string;
  readonly #finders = new Map<string, Finder | undefined>();

  /**
   * @param spelled how a token's content is written in the texts that will be cut (its normalised
   *   form).
   */
  constructor(tokens: readonly AddedToken[], spelled: (content: string) => string = (content) => content) {
    this.all = tokens;
    this.always = tokens.some(({ special }) => special !== true);
    this.#spelled = spelled;
  }

  /**
   * Cuts the text at the tokens in it. One segment where there is none, no segment in an empty
   * text.
   */
  split(text: string, allowed: EncodeOptions['allowedSpecial']): Segment[] {
    const finder = this.#finder(allowed);
    const segments: Segment[] = [];
    let at = 0;
    if (finder !== undefined) {
      for (const match of text.matchAll(finder.expression)) {
        const token = finder.tokens.get(match[0]) as AddedToken; // the expression is made of these names
        let start = match.index;
        let end = start + match[0].length;
        if (start < at) continue; // eaten by the rstrip of the one before
        if (token.singleWord === true && !standsAlone(text, start, end)) continue;
        if (token.lstrip === true) while (start > at && SPACE.test(text[start - 1])) start--;
        if (token.rstrip === true) while (end < text.length && SPACE.test(text[end])) end++;
        if (start > at) segments.push({ start: at, end: start, id: -1 });
        segments.push({ start, end, id: token.id });
        at = end;
      }
    }
    if (at < text.length) segments.push({ start: at, end: text.length, id: -1 });
    return segments;
  }

  #finder(allowed: EncodeOptions['allowedSpecial']): Finder | undefined {
    const names = allowed === undefined || allowed === 'none' ? [] : allowed;
    if (names !== 'all' && !Array.isArray(names)) {
      throw failure(
        'encode',
        `allowedSpecial is ${JSON.stringify(allowed)}`,
        `'none', 'all' or a list of names`,
      );
    }
    const key = names === 'all' ? 'all' : `:${names.join('\0')}`;
    if (!this.#finders.has(key)) {
      if (this.#finders.size > KEPT_PATTERNS) this.#finders.clear();
      this.#finders.set(key, this.#makeFinder(names));
    }
    return this.#finders.get(key);
  }

  #makeFinder(names: 'all' | readonly string[]): Finder | undefined {
    const listed = names === 'all' ? undefined : new Set(names);
    const chosen = this.all.filter((token) => !isSpecial(token) || (listed?.has(token.content) ?? true));
    const tokens = new Map(chosen.map((token) => [this.#spelled(token.content), token]));
    tokens.delete('');
    if (tokens.size === 0) return undefined;
    return { expression: anyOf([...tokens.keys()]), tokens };
  }
}

export function isSpecial({ special }: AddedToken): boolean {
  return special === true;
}

/** Whether no character of a word touches text[start .. end). */
function standsAlone(text: string, start: number, end: number): boolean {
  const before = /.$/su.exec(text.slice(Math.max(0, start - 2), start))?.[0] ?? '';
  const behind = text.codePointAt(end);
  return !WORD.test(before) && (behind === undefined || !WORD.test(String.fromCodePoint(behind)));
}

/**
 * A line a token that is found by more than its text, in the order of ids: part of a fingerprint.
 */
export function flaggedTokens(tokens: readonly AddedToken[]): string[] {
  const flags = ['lstrip', 'rstrip', 'singleWord', 'normalized'] as const;
  return tokens
    .map((token) => ({ id: token.id, set: flags.filter((flag) => token[flag] === true) }))
    .filter(({ set }) => set.length > 0)
    .sort((a, b) => a.id - b.id)
    .map(({ id, set }) => `${id} ${set.join()}`);
}

/** Matches any of the texts literally, at each place the longest. */
export function anyOf(texts: readonly string[]): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
}
