/**
 * Regular expressions of tokenizer files (Oniguruma's and tiktoken's dialect) as JavaScript's. What
 * differs:
 * - `\s`, `\w`, `\d`, `\b` mean Unicode's classes there; JavaScript's `\s` has U+FEFF and lacks
 *   U+0085;
 * - `(?i:…)`: letters are spelled out in both cases, with the two letters outside ASCII that fold
 *   into s and k;
 * - possessive `x++`, `x?+` and atomic `(?>x)` become a lookahead that is matched and then repeated
 *   by its number;
 * - `^` and `$` mean lines in Oniguruma, always; `\A`, `\z` the text.
 */
import { failure } from '../errors.ts';

const WORD = '\\p{L}\\p{M}\\p{N}\\p{Pc}';
/** What stands for an escape, outside of and inside a class. */
const CLASSES: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  w: WORD,
};
const OUTSIDE: Readonly<Record<string, string>> = {
  ...CLASSES,
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  b: `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`,
  B: `(?:(?<=[${WORD}])(?=[${WORD}])|(?<![${WORD}])(?![${WORD}]))`,
  A: '(?<![^])',
  z: '(?![^])',
  Z: '(?=\\n?(?![^]))',
  h: '[0-9A-Fa-f]',
  R: '(?:\\r\\n|[\\n-\\r\\x85\\u2028\\u2029])',
};
/** Escapes that mean the same in JavaScript. */
const SAME = /^\\(?:[nrtfv0]|x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|u\{[\dA-Fa-f]+\}|[pP]\{[^}]+\})/;

/**
 * The expression with flags `g` and `u`. Throws, with what is not understood, on what JavaScript
 * cannot say.
 */
export function compileExpression(pattern: string): RegExp {
  try {
    const reader = new Reader(pattern);
    const source = reader.alternatives(false);
    if (reader.at < pattern.length) throw new SyntaxError(`an unmatched ) at character ${reader.at}`);
    return new RegExp(source, 'gu');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw failure(
      'compileExpression',
      `the expression ${pattern} is not supported (${error.message})`,
      'use an expression that JavaScript can say',
    );
  }
}

/** Literally these characters. */
export function literalExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

class Reader {
  at = 0;
  readonly #pattern: string;
  /** Groups so far that JavaScript numbers. */
  #groups = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Up to the end or an unmatched `)`. */
  alternatives(ignoreCase: boolean): string {
    let out = '';
    while (this.at < this.#pattern.length && this.#pattern[this.at] !== ')') {
      if (this.#pattern[this.at] === '|') {
        out += '|';
        this.at++;
      } else if (this.#pattern.startsWith('(?i)', this.at)) {
        this.at += 4;
        return `${out}(?:${this.alternatives(true)})`; // holds to the end of this group
      } else {
        out += this.#quantified(ignoreCase);
      }
    }
    return out;
  }

  #quantified(ignoreCase: boolean): string {
    const groups = this.#groups;
    const atom = this.#atom(ignoreCase);
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})/.exec(this.#rest())?.[0];
    if (quantifier === undefined) return atom;
    this.at += quantifier.length;
    const count = quantifier.startsWith('{,') ? `{0${quantifier.slice(1)}` : quantifier;
    const next = this.#pattern[this.at];
    if (next === '?') this.at++;
    if (next === '+') {
      this.at++;
      // behind braces a plus is a quantifier of its own in Oniguruma
      return quantifier.startsWith('{') ? `(?:${atom}${count})+` : this.#atomic(`${atom}${count}`, groups);
    }
    return `${atom}${count}${next === '?' ? '?' : ''}`;
  }

  /** Matched once, without giving back: a lookahead is not entered again. */
  #atomic(inner: string, groupsBefore: number): string {
    if (this.#groups > groupsBefore) throw new SyntaxError('a possessive part with groups inside');
    this.#groups++;
    return `(?:(?=(${inner}))\\${this.#groups})`;
  }

  #atom(ignoreCase: boolean): string {
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.at) ?? 0);
    if (character === '(') return this.#group(ignoreCase);
    if (character === '[') return this.#class(ignoreCase);
    if (character === '\\') return this.#escape(OUTSIDE);
    this.at += character.length;
    if (character === '^') return '(?<=^|\\n)';
    if (character === '$') return '(?=\\n|(?![^]))';
    if (character === '.') return '[^\\n]';
    if (/[*+?]/.test(character)) throw new SyntaxError(`${character} with nothing before it`);
    if (ignoreCase && /[A-Za-z]/.test(character)) return `[${bothCases(character)}]`;
    return /[{}\]/]/.test(character) ? `\\${character}` : character;
  }

  #group(ignoreCase: boolean): string {
    const opening = /^\((?:\?(?:[:=!>]|<[=!]|[im]*(?:-[im]+)?:))?/.exec(this.#rest())?.[0] ?? '(';
    if (opening === '(' && this.#pattern[this.at + 1] === '?')
      throw new SyntaxError(`the group ${this.#rest().slice(0, 6)}`);
    this.at += opening.length;
    const groups = this.#groups;
    const flags = /^\(\?([im]*)(?:-([im]+))?:$/.exec(opening);
    const folds =
      flags === null
        ? ignoreCase
        : flags[2]?.includes('i') !== true && (ignoreCase || flags[1].includes('i'));
    const inner = this.alternatives(folds);
    if (this.#pattern[this.at++] !== ')') throw new SyntaxError('an unclosed (');
    if (opening === '(?>') return this.#atomic(inner, groups);
    return `${flags !== null || opening === '(' ? '(?:' : opening}${inner})`;
  }

  #class(ignoreCase: boolean): string {
    let out = '[';
    this.at++;
    if (this.#pattern[this.at] === '^') {
      out += '^';
      this.at++;
    }
    for (let first = true; ; first = false) {
      const rest = this.#rest();
      if (rest === '') throw new SyntaxError('an unclosed [');
      if (rest.startsWith(']') && !first) break;
      if (rest.startsWith('[') || rest.startsWith('&&')) throw new SyntaxError('a class inside a class');
      out += this.#classItem(ignoreCase);
    }
    this.at++;
    return `${out}]`;
  }

  #classItem(ignoreCase: boolean): string {
    const range = ignoreCase ? /^([A-Za-z])-([A-Za-z])/.exec(this.#rest()) : null;
    if (range !== null) {
      this.at += 3;
      const [low, high] = [range[1].toLowerCase(), range[2].toLowerCase()];
      const extra = [low <= 's' && high >= 's' ? 'ſ' : '', low <= 'k' && high >= 'k' ? '\u212a' : ''].join(
        '',
      );
      return `${low}-${high}${low.toUpperCase()}-${high.toUpperCase()}${extra}`;
    }
    if (this.#pattern[this.at] === '\\') return this.#escape(CLASSES);
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.at) ?? 0);
    this.at += character.length;
    if (ignoreCase && /[A-Za-z]/.test(character)) return bothCases(character);
    return /[()[\]{}/|^]/.test(character) ? `\\${character}` : character;
  }

  #escape(classes: Readonly<Record<string, string>>): string {
    const same = SAME.exec(this.#rest())?.[0];
    if (same !== undefined) {
      this.at += same.length;
      return same;
    }
    const escaped = String.fromCodePoint(this.#pattern.codePointAt(this.at + 1) ?? 0);
    this.at += 1 + escaped.length;
    const known = classes[escaped];
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(escaped) || escaped === '\0') throw new SyntaxError(`\\${escaped}`);
    return /[\\^$.*+?()[\]{}|/-]/.test(escaped)
      ? `\\${escaped === '-' && classes === OUTSIDE ? 'x2d' : escaped}`
      : escaped;
  }

  #rest(): string {
    return this.#pattern.slice(this.at);
  }
}

function bothCases(letter: string): string {
  const lower = letter.toLowerCase();
  return `${lower}${lower.toUpperCase()}${lower === 's' ? 'ſ' : lower === 'k' ? '\u212a' : ''}`;
}
