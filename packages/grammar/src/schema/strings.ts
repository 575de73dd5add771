import { anyCharacter, codeSet, negate } from '../automata/code-set.ts';
import { combine, type Dfa } from '../automata/dfa.ts';
import { automaton, choice, type Expression, repeat, sequence, set, text } from '../automata/expression.ts';
import { determinise } from '../automata/nfa.ts';
import type { Budget } from '../budget.ts';
import { GrammarError, refuse, type SchemaPlace } from '../errors.ts';
import { parseRegex } from '../regex/parse.ts';
import type { SchemaNode } from './document.ts';
import { formats } from './formats.ts';
import { allOf, atLeast, atMost, type Found, made } from './keywords.ts';

/**
 * `maxLength` up to which a length can be joined with a pattern: a state a
 * character.
 */
const MOST_COUNTED = 4_000;

const quote = text('"');

/**
 * Strings of a conjunction. Where nothing but a length is asked for, every escape
 * of JSON may be used. Otherwise characters are written as `JSON.stringify` does,
 * each in one way, so that sets can be joined and subtracted.
 */
export class Strings {
  #budget: Budget;
  #patterns = new Map<string, Dfa>();
  #free: { readonly character: Expression; readonly whole: Expression } | undefined;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** With quotes. */
  expression(nodes: readonly SchemaNode[]): Expression {
    const [min, max] = [atLeast(nodes, 'minLength'), atMost(nodes, 'maxLength')];
    const isPlain = this.#sets(nodes).length === 0;
    if (!isPlain) return this.quoted(this.contents(nodes));
    this.#free ??= this.#makeFree();
    if (min === 0 && max === Infinity) return this.#free.whole;
    return min > max ? choice() : sequence(quote, repeat(this.#free.character, min, max), quote);
  }

  quoted(contents: Dfa): Expression {
    return automaton(determinise(sequence(quote, automaton(contents), quote), 'json', this.#budget));
  }

  /** What is inside the quotes, each character in its one way. */
  contents(nodes: readonly SchemaNode[]): Dfa {
    let dfa = this.every();
    for (const [how, other] of this.#sets(nodes)) dfa = combine(dfa, other, how, this.#budget);
    const [min, max] = [atLeast(nodes, 'minLength'), atMost(nodes, 'maxLength')];
    if (min === 0 && max === Infinity) return dfa;
    const [place] = [...allOf(nodes, 'maxLength'), ...allOf(nodes, 'minLength')].map((each) => each.place);
    if (Math.max(min, max === Infinity ? 0 : max) > MOST_COUNTED) {
      refuse(place!, `a length beside a pattern or a format is counted up to ${MOST_COUNTED}.`, 'shorten it');
    }
    if (min > max) return this.oneOf([]);
    const ofLength = determinise(repeat(set(anyCharacter), min, max), 'json', this.#budget);
    return combine(dfa, ofLength, 'and', this.#budget);
  }

  /** All contents. */
  every(): Dfa {
    return this.#known('', () => determinise(repeat(set(anyCharacter), 0, Infinity), 'json', this.#budget));
  }

  /** Some strings. */
  oneOf(strings: readonly string[]): Dfa {
    const contents = strings.map((each) => text(JSON.stringify(each).slice(1, -1)));
    return determinise(choice(...contents), 'json', this.#budget);
  }

  /** Strings in which a pattern is found somewhere. */
  pattern(source: string, place: SchemaPlace): Dfa {
    return this.#known(`/${source}`, () => {
      const any = repeat(set(anyCharacter), 0, Infinity);
      return this.#placed(place, () =>
        determinise(sequence(any, parseRegex(source, this.#budget), any), 'json', this.#budget),
      );
    });
  }

  format(name: string, place: SchemaPlace): Dfa {
    const source = Object.hasOwn(formats, name) ? formats[name] : undefined;
    if (source === undefined) {
      refuse(
        place,
        `the format ${JSON.stringify(name)} cannot be honoured.`,
        `known are ${Object.keys(formats).join(', ')}`,
      );
    }
    return this.#known(`:${name}`, () => determinise(parseRegex(source, this.#budget), 'json', this.#budget));
  }

  #known(key: string, make: () => Dfa): Dfa {
    let known = this.#patterns.get(key);
    if (known === undefined) {
      known = make();
      this.#patterns.set(key, known);
    }
    return known;
  }

  /** What is wrong with a pattern is wrong at its place in the schema. */
  #placed<T>(place: SchemaPlace, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      const what = error.message.replace(/^\[\w+\] /, '').replace(/ hint: .*$/s, '');
      return refuse(place, what, error.hint);
    }
  }

  #sets(nodes: readonly SchemaNode[]): ['and' | 'minus', Dfa][] {
    const pattern = ({ value, place }: Found<string>) => this.pattern(value, place);
    const format = ({ value, place }: Found<string>) => this.format(value, place);
    const none = allOf<readonly unknown[]>(nodes, made.notValues).flatMap(({ value }) => value);
    const strings = none.filter((each) => typeof each === 'string');
    return [
      ...allOf<string>(nodes, 'pattern').map((each): ['and', Dfa] => ['and', pattern(each)]),
      ...allOf<string>(nodes, 'format').map((each): ['and', Dfa] => ['and', format(each)]),
      ...allOf<string>(nodes, made.notPattern).map((each): ['minus', Dfa] => ['minus', pattern(each)]),
      ...(strings.length === 0 ? [] : ([['minus', this.oneOf(strings)]] satisfies ['minus', Dfa][])),
    ];
  }

  #makeFree(): { character: Expression; whole: Expression } {
    const make = (x: Expression) => automaton(determinise(x, 'utf8', this.#budget));
    const character = make(freeCharacter());
    return { character, whole: make(sequence(quote, repeat(character, 0, Infinity), quote)) };
  }
}

/**
 * One character in any of the ways that JSON has; halves of pairs only together.
 */
function freeCharacter(): Expression {
  const among = (...ranges: (readonly [string, string])[]) =>
    set(codeSet(ranges.map(([low, high]) => [low.codePointAt(0)!, high.codePointAt(0)!] as const)));
  const hex = among(['0', '9'], ['a', 'f'], ['A', 'F']);
  const d = among(['d', 'd'], ['D', 'D']);
  const escape = text('\\');
  const plain = set(
    negate(
      codeSet([
        [0, 0x1f],
        [0x22, 0x22],
        [0x5c, 0x5c],
      ]),
    ),
  );
  const short = set(
    codeSet([...'"\\/bfnrt'].map((each) => [each.codePointAt(0)!, each.codePointAt(0)!] as const)),
  );
  const notSurrogate = choice(
    sequence(among(['0', '9'], ['a', 'c'], ['A', 'C'], ['e', 'f'], ['E', 'F']), hex, hex, hex),
    sequence(d, among(['0', '7']), hex, hex),
  );
  const pair = sequence(
    sequence(d, among(['8', '9'], ['a', 'b'], ['A', 'B']), hex, hex),
    text('\\u'),
    sequence(d, among(['c', 'f'], ['C', 'F']), hex, hex),
  );
  return choice(plain, sequence(escape, choice(short, sequence(text('u'), choice(notSurrogate, pair)))));
}
