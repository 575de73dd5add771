import { anyCharacter, type CodeSet, codeSet, negate } from '../automata/code-set.ts';
import { choice, empty, type Expression, repeat, rule, sequence, set, text } from '../automata/expression.ts';
import type { Budget } from '../budget.ts';
import { fail } from '../errors.ts';

/** Rules in the order in which their names occur. */
export interface ParsedGbnf {
  readonly names: readonly string[];
  readonly rules: readonly Expression[];
}

/** Most turns of a counted repetition. */
const MOST_TURNS = 100_000;

/**
 * llama.cpp's grammar notation: `root ::= "yes" | "no"`, with groups, classes, `* +
 * ? {m,n}`, `.` and `# comments`.
 */
export function parseGbnf(source: string, budget: Budget): ParsedGbnf {
  return new GbnfParser(source, budget).parse();
}

class GbnfParser {
  #source: string;
  #budget: Budget;
  #at = 0;
  #depth = 0;
  #names: string[] = [];
  #indices = new Map<string, number>();
  #rules: (Expression | undefined)[] = [];

  constructor(source: string, budget: Budget) {
    this.#source = source;
    this.#budget = budget;
  }

  parse(): ParsedGbnf {
    this.#space(true);
    while (this.#at < this.#source.length) this.#rule();
    const missing = this.#names.find((_, i) => this.#rules[i] === undefined);
    if (missing !== undefined) this.#fault(`rule "${missing}" is used and not defined.`);
    return { names: this.#names, rules: this.#rules as Expression[] }; // none is missing
  }

  #fault(what: string): never {
    return fail(this.#budget.op, what, 'a rule is written name ::= alternatives, one a line');
  }

  #wrong(what: string): never {
    const line = this.#source.slice(0, this.#at).split('\n').length;
    return this.#fault(`${what} in line ${line} of the grammar.`);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#source) ?? undefined;
    if (match) this.#at += match[0].length;
    return match;
  }

  /** Blanks and comments; line ends too where the rule goes on. */
  #space(lines: boolean): void {
    this.#match(lines ? /(?:[ \t\r\n]|#[^\n]*)*/y : /[ \t]*(?:#[^\r\n]*)?/y);
  }

  #index(name: string): number {
    let index = this.#indices.get(name);
    if (index === undefined) {
      this.#budget.states(1);
      index = this.#names.push(name) - 1;
      this.#indices.set(name, index);
    }
    return index;
  }

  #rule(): void {
    const name = this.#match(/[A-Za-z0-9_-]+/y)?.[0];
    if (name === undefined) this.#wrong('a name is missing');
    const index = this.#index(name);
    this.#space(false);
    if (!this.#match(/::=/y)) this.#wrong(`"::=" is missing after "${name}"`);
    if (this.#rules[index]) this.#wrong(`rule "${name}" is defined twice`);
    this.#space(true);
    this.#rules[index] = this.#alternatives(false);
    if (this.#at < this.#source.length && !this.#match(/\r?\n/y)) this.#wrong('a line end is missing');
    this.#space(true);
  }

  #alternatives(nested: boolean): Expression {
    if (++this.#depth > this.#budget.nesting)
      this.#wrong(`more than ${this.#budget.nesting} groups are open`);
    const parts = [this.#terms(nested)];
    while (this.#match(/\|/y)) {
      this.#space(true);
      parts.push(this.#terms(nested));
    }
    this.#depth--;
    return choice(...parts);
  }

  #terms(nested: boolean): Expression {
    const parts: Expression[] = [];
    for (;;) {
      const term = this.#term();
      if (term === undefined) break;
      this.#space(nested);
      parts.push(this.#quantified(term, nested));
    }
    return sequence(...parts);
  }

  #term(): Expression | undefined {
    if (this.#match(/"/y)) return this.#literal();
    if (this.#match(/\[/y)) return set(this.#characterClass());
    if (this.#match(/\./y)) return set(anyCharacter);
    if (this.#match(/\(/y)) {
      this.#space(true);
      const inner = this.#alternatives(true);
      if (!this.#match(/\)/y)) this.#wrong('a group is not closed');
      return inner;
    }
    if (this.#match(/!?<(?=[^\n]*>)/y))
      this.#wrong('tokens by name or id are not supported: a grammar is of bytes');
    const name = this.#match(/[A-Za-z0-9_-]+/y)?.[0];
    return name === undefined ? undefined : rule(this.#index(name));
  }

  #quantified(term: Expression, nested: boolean): Expression {
    let whole = term;
    for (let i = 0; ; i++) {
      const match = this.#match(/(?:[*+?]|\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\})/y);
      if (!match) return whole;
      if (i >= this.#budget.nesting) this.#wrong('too many repetitions of one thing');
      const [sign, low, comma, high] = match;
      const min = sign === '+' ? 1 : Number(low ?? 0);
      const open = sign === '*' || sign === '+' || (comma !== undefined && high === '');
      const max = open ? Infinity : sign === '?' ? 1 : Number(high ?? low);
      if (min > max) this.#wrong(`the repetition ${sign} is out of order`);
      if (min > MOST_TURNS || (max > MOST_TURNS && !open)) {
        this.#wrong(`the repetition ${sign} is larger than ${MOST_TURNS}`);
      }
      whole = repeat(whole, min, max);
      this.#space(nested);
    }
  }

  #literal(): Expression {
    let string = '';
    while (!this.#match(/"/y)) string += String.fromCodePoint(this.#character());
    return string === '' ? empty : text(string);
  }

  #characterClass(): CodeSet {
    const negated = this.#match(/\^/y) !== undefined;
    const ranges: [number, number][] = [];
    while (!this.#match(/\]/y)) {
      const low = this.#character();
      const high = this.#match(/-(?!\])/y) ? this.#character() : low;
      if (low > high) this.#wrong('a range out of order');
      ranges.push([low, high]);
    }
    const codes = codeSet(ranges);
    return negated ? negate(codes) : codes;
  }

  #character(): number {
    const hex = this.#match(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y);
    const code = hex ? parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16) : this.#plain();
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) this.#wrong('what is no character');
    return code;
  }

  #plain(): number {
    const escape = this.#match(/\\(.)/suy)?.[1];
    if (escape !== undefined) {
      const known = { n: 10, r: 13, t: 9, '"': 34, '[': 91, ']': 93, '\\': 92 }[escape];
      return known ?? this.#wrong(`the escape \\${escape} is not known`);
    }
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined || code === 10) this.#wrong('a literal or a class is not closed');
    this.#at += code > 0xffff ? 2 : 1;
    return code;
  }
}
