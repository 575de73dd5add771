/** Finds the special tokens that a caller allows in a text. */
import { failure, nearestHint } from './errors.ts';
import type { EncodeOptions } from './tokenizer.ts';

export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Id of the special token, or −1 for plain text. */
  readonly special: number;
}

export class SpecialTokens {
  readonly ids: ReadonlyMap<string, number>;
  private readonly patterns = new Map<string, RegExp>();

  constructor(ids: ReadonlyMap<string, number>) {
    this.ids = ids;
  }

  /** Cuts the text at allowed special tokens: at each place the longest name wins. One segment when there is none. */
  split(text: string, allowed: EncodeOptions['allowedSpecial']): Segment[] {
    const pattern = this.pattern(allowed);
    const segments: Segment[] = [];
    let at = 0;
    if (pattern !== undefined) {
      for (const match of text.matchAll(pattern)) {
        if (match.index > at) segments.push({ start: at, end: match.index, special: -1 });
        at = match.index + match[0].length;
        segments.push({ start: match.index, end: at, special: this.ids.get(match[0]) ?? -1 });
      }
    }
    if (at < text.length) segments.push({ start: at, end: text.length, special: -1 });
    return segments;
  }

  private pattern(allowed: EncodeOptions['allowedSpecial']): RegExp | undefined {
    if (allowed === undefined || allowed === 'none') return undefined;
    if (allowed !== 'all' && !Array.isArray(allowed)) {
      throw failure(
        'encode',
        `allowedSpecial is ${JSON.stringify(allowed)}`,
        `'none', 'all' or a list of names`,
      );
    }
    const names = allowed === 'all' ? [...this.ids.keys()] : (allowed as readonly string[]); // Array.isArray does not narrow readonly arrays
    if (names.length === 0) return undefined;
    const key = allowed === 'all' ? '' : names.join('\0');
    let pattern = this.patterns.get(key);
    if (pattern === undefined) {
      for (const name of names) {
        if (!this.ids.has(name))
          throw failure(
            'encode',
            `'${name}' is no special token of this vocabulary`,
            nearestHint(name, this.ids.keys()),
          );
      }
      pattern = anyOf(names);
      if (this.patterns.size > 64) this.patterns.clear();
      this.patterns.set(key, pattern);
    }
    return pattern;
  }
}

/** Matches any of the texts literally, at each place the longest. */
export function anyOf(texts: readonly string[]): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
}
