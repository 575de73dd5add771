import { compileChoice, compileRegex, Matcher } from '@cria/grammar';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteTrie, takes } from './walk.ts';

const matcherOf = (source: string) => new Matcher(compileRegex(source), byteTrie);

/** Undefined where no text matches, which is refused. */
function orNothing(source: string): Matcher | undefined {
  try {
    return matcherOf(source);
  } catch (error) {
    if (!String(error).includes('no text at all')) throw error;
    return undefined;
  }
}

/** Regular expressions of few characters, so that texts of the same characters often match. */
const regexes: fc.Arbitrary<string> = fc.letrec<{ regex: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      'a',
      'b',
      'é',
      '🦙',
      '.',
      '[ab]',
      '[^a]',
      '[a-c🦙]',
      '\\w',
      '\\W',
      '\\d',
      '\\s',
      '\\u{1f999}',
      '\\x62',
      '[^\\W]',
      '\\.',
      '\\p{L}',
    ),
    tie('regex').map((inner) => `(${inner})`),
    tie('regex').map((inner) => `(?:${inner})`),
  ),
  regex: fc.oneof(
    { maxDepth: 3 },
    tie('atom'),
    fc
      .tuple(tie('atom'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{1,3}', '{2,}', '{0,6}', '{5}'))
      .map(([x, turns]) => x + turns),
    fc.tuple(tie('regex'), tie('regex')).map(([x, y]) => x + y),
    fc.tuple(tie('regex'), tie('regex')).map(([x, y]) => `${x}|${y}`),
    fc
      .tuple(fc.constantFrom('^', '$'), tie('regex'))
      .map(([mark, x]) => (mark === '^' ? mark + x : x + mark)),
  ),
})).regex;

const texts = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', 'é', '🦙', ' ', '1', '.', '\n'),
  maxLength: 7,
});

describe('regular expressions take the texts that JavaScript matches as a whole', () => {
  it('at random', () => {
    fc.assert(
      fc.property(regexes, fc.array(texts, { minLength: 1, maxLength: 12 }), (source, list) => {
        const matcher = orNothing(source);
        const own = new RegExp(`^(?:${source})$`, 'u');
        for (const text of list) {
          expect([text, matcher !== undefined && takes(matcher, text)]).toEqual([text, own.test(text)]);
        }
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  // Said by hand: JavaScript's own engine tries the ways of some of these one by one, for ever.
  it.each([
    ['(a|b)*a(a|b){20}', 'a'.repeat(21), 'b'.repeat(21)], // 2^21 states, were it made deterministic beforehand
    ['(?:ab){2,1000}c', `${'ab'.repeat(700)}c`, `${'ab'.repeat(1001)}c`],
    ['(?:a|aa){3,500}', 'a'.repeat(1000), 'a'.repeat(1001)],
    ['(?:a?){4,9}b', 'b', `${'a'.repeat(10)}b`],
    ['(?:(?:a*)(?:b*)){5,8}c', 'abababababababac', 'ababababababababac'],
    ['\\u{10ffff}|\\ud83e\\udd99', '🦙', '🦚'],
    ['[\\u0000-\\u{10ffff}]', '\u{ffff}', ''],
  ])('%s', (source, good, bad) => {
    const matcher = matcherOf(source);
    expect([takes(matcher, good), takes(matcher, bad)]).toEqual([true, false]);
  });

  it.each([
    'a(?=b)',
    'a(?!b)',
    '(?<=a)b',
    '(a)\\1',
    '\\bword',
    '(?<n>a)\\k<n>',
    '(?i:a)',
    'a**',
    '[b-a]',
    '(',
    ')',
    'a{2,1}',
    '\\p{Nothing}',
    '\\ud800',
    'a{1000000}',
    '[',
  ])('refuses %s', (source) => {
    expect(() => compileRegex(source)).toThrow(/^\[compileRegex\] .* hint: /);
  });
});

it('a choice takes its texts and no others', () => {
  const matcher = new Matcher(compileChoice(['yes', 'no', 'yesterday', 'né']), byteTrie);
  for (const text of ['yes', 'no', 'yesterday', 'né']) expect(takes(matcher, text)).toBe(true);
  for (const text of ['', 'y', 'yest', 'nono', 'n']) expect(takes(matcher, text)).toBe(false);
  expect(() => compileChoice([])).toThrow('there is no choice');
  expect(() => compileChoice(['\ud800'])).toThrow('is no text');
});
