import { type CodeSet, codeSet, negate, union } from '../automata/code-set.ts';
import { choice, empty, type Expression, repeat, sequence, set } from '../automata/expression.ts';
import type { Budget } from '../budget.ts';
import { fail } from '../errors.ts';
import { classEscape, dot, propertySet } from './classes.ts';

/** Most turns of a counted repetition. */
const MOST_TURNS = 100_000;

/**
 * A regular expression of ECMA-262 with the flag `u`, as far as it is regular: no
 * lookaround, no references back, no word boundaries. `^` and `$` are where the
 * text begins and ends. Lazy and greedy are the same set of texts.
 */
export function parseRegex(source: string, budget: Budget): Expression {
  return new RegexParser(source, budget).parse();
}

const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

class RegexParser {
  #source: string;
  #budget: Budget;
  #at = 0;
  #depth = 0;

  constructor(source: string, budget: Budget) {
    this.#source = source;
    this.#budget = budget;
  }

  parse(): Expression {
    const whole = this.#alternatives();
    if (this.#at < this.#source.length) this.#wrong(`")" without "("`);
    return whole;
  }

  #wrong(what: string, hint = 'this is a regular expression of JavaScript with the flag u'): never {
    const source = this.#source.length > 100 ? `${this.#source.slice(0, 100)}…` : this.#source;
    return fail(this.#budget.op, `${what} at ${this.#at} of the pattern ${JSON.stringify(source)}.`, hint);
  }

  #has(string: string): boolean {
    return this.#source.startsWith(string, this.#at);
  }

  #take(string: string): boolean {
    if (!this.#has(string)) return false;
    this.#at += string.length;
    return true;
  }

  /** Takes what a sticky pattern matches here. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source) ?? undefined;
    if (match) this.#at += match[0].length;
    return match;
  }

  #alternatives(): Expression {
    if (++this.#depth > this.#budget.nesting) {
      this.#wrong(`more than ${this.#budget.nesting} groups are open`, 'nest less');
    }
    const parts = [this.#terms()];
    while (this.#take('|')) parts.push(this.#terms());
    this.#depth--;
    return choice(...parts);
  }

  #terms(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#source.length && !this.#has('|') && !this.#has(')')) parts.push(this.#term());
    this.#budget.work(parts.length + 1);
    return sequence(...parts);
  }

  #term(): Expression {
    if (this.#take('^')) return { kind: 'start' };
    if (this.#take('$')) return { kind: 'end' };
    const atom = this.#atom();
    const turns = this.#quantifier();
    if (turns === undefined) return atom;
    if (this.#quantifier() !== undefined) this.#wrong('nothing to repeat');
    return repeat(atom, ...turns);
  }

  #quantifier(): [number, number] | undefined {
    const match = this.#match(/(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/y);
    if (!match) return undefined;
    this.#take('?'); // lazy: the same texts
    const [sign, low, comma, high] = match;
    if (sign === '*') return [0, Infinity];
    if (sign === '+') return [1, Infinity];
    if (sign === '?') return [0, 1];
    const min = Number(low);
    const max = comma === undefined ? min : high === '' ? Infinity : Number(high);
    if (min > max) this.#wrong(`the repetition ${sign} is out of order`);
    if (min > MOST_TURNS || (max > MOST_TURNS && max !== Infinity)) {
      this.#wrong(`the repetition ${sign} is larger than ${MOST_TURNS}`, 'repeat less often');
    }
    return [min, max];
  }

  #atom(): Expression {
    if (this.#take('.')) return set(dot);
    if (this.#take('(')) return this.#group();
    if (this.#take('[')) return set(this.#characterClass());
    if (this.#take('\\')) return set(this.#escape(false));
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!);
    if ('*+?{}]'.includes(character)) this.#wrong(`"${character}" stands alone`, `write \\${character}`);
    this.#at += character.length;
    return set(this.#single(character.codePointAt(0)!));
  }

  #group(): Expression {
    if (this.#has('?')) {
      if (/\?(?:=|!|<=|<!)/y.exec(this.#source.slice(this.#at, this.#at + 3))) {
        this.#wrong('lookaround is not supported,', 'say what may come, not what may not');
      }
      if (!this.#take('?:') && !this.#match(/\?<[\p{ID_Start}$_][\p{ID_Continue}$]*>/uy)) {
        this.#wrong('a group of a kind that is not supported');
      }
    }
    const inner = this.#alternatives();
    if (!this.#take(')')) this.#wrong('a group is not closed');
    return inner.kind === 'sequence' && inner.parts.length === 0 ? empty : inner;
  }

  /** After the backslash. */
  #escape(inClass: boolean): CodeSet {
    const character = this.#source[this.#at];
    if (character === undefined) this.#wrong('a backslash at the end');
    const named = classEscape(character);
    if (named) {
      this.#at++;
      return named;
    }
    const property = this.#match(/([pP])\{([A-Za-z0-9_]+(?:=[A-Za-z0-9_]+)?)\}/y);
    if (property) {
      const found = propertySet(property[2]!);
      if (!found) this.#wrong(`no property of characters is called ${property[2]}`);
      this.#budget.work(found.length);
      return property[1] === 'P' ? negate(found) : found;
    }
    return this.#single(this.#codeEscape(inClass));
  }

  #single(code: number): CodeSet {
    const only = codeSet([[code, code]]);
    if (only.length === 0) this.#wrong('half a character', 'write both halves, or \\u{…}');
    return only;
  }

  #codeEscape(inClass: boolean): number {
    const pair = this.#match(/u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/y);
    if (pair) {
      const [high, low] = [parseInt(pair[1]!, 16), parseInt(pair[2]!, 16)];
      return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    const hex = this.#match(/(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{2}))/y);
    if (hex) {
      const code = parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
      return code <= 0x10ffff ? code : this.#wrong('a character beyond U+10FFFF');
    }
    const control = this.#match(/c([A-Za-z])/y);
    if (control) return control[1]!.charCodeAt(0) & 31;
    const zero = this.#match(/0(?![0-9])/y);
    if (zero) return 0;
    const character = this.#source[this.#at]!;
    const known = controls[character];
    if (known !== undefined) {
      this.#at++;
      return known;
    }
    if (inClass && character === 'b') {
      this.#at++;
      return 8;
    }
    if (/[A-Za-z0-9]/.test(character)) {
      const kind = /[bB]/.test(character) ? 'word boundaries are' : `\\${character} is`;
      this.#wrong(`${kind} not supported,`, 'say which characters may come');
    }
    const code = this.#source.codePointAt(this.#at)!;
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }

  /** After the bracket. */
  #characterClass(): CodeSet {
    const negated = this.#take('^');
    const sets: CodeSet[] = [];
    while (!this.#take(']')) {
      if (this.#at >= this.#source.length) this.#wrong('a class is not closed');
      const first = this.#classAtom();
      const isRange = this.#has('-') && !this.#has('-]') && this.#at + 1 < this.#source.length;
      if (!isRange) {
        sets.push(first);
        continue;
      }
      this.#at++;
      const last = this.#classAtom();
      if (first.length !== 2 || last.length !== 2 || first[0] !== first[1] || last[0] !== last[1]) {
        this.#wrong('a range between more than characters');
      }
      if (first[0]! > last[0]!) this.#wrong('a range out of order');
      sets.push(codeSet([[first[0]!, last[0]!]]));
    }
    const all = union(...sets);
    this.#budget.work(all.length);
    return negated ? negate(all) : all;
  }

  #classAtom(): CodeSet {
    if (this.#take('\\')) return this.#escape(true);
    const code = this.#source.codePointAt(this.#at)!;
    this.#at += code > 0xffff ? 2 : 1;
    return this.#single(code);
  }
}
