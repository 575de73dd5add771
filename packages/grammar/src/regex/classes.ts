import { type CodeSet, codeSet, negate } from '../automata/code-set.ts';

const digits = codeSet([[0x30, 0x39]]);
const word = codeSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
/** ECMA-262's white space and line terminators. */
const space = codeSet([
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);

/** All but line terminators. */
export const dot: CodeSet = negate(
  codeSet([
    [0x0a, 0x0a],
    [0x0d, 0x0d],
    [0x2028, 0x2029],
  ]),
);

const escapes: Readonly<Record<string, CodeSet>> = {
  d: digits,
  D: negate(digits),
  w: word,
  W: negate(word),
  s: space,
  S: negate(space),
};

/** `\d` and its like. */
export function classEscape(letter: string): CodeSet | undefined {
  return Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
}

/**
 * Properties that were asked for: each takes some 50 ms to find out. A few hundred
 * exist.
 */
const properties = new Map<string, CodeSet>();

/**
 * The characters of a Unicode property such as `L` or `Script=Greek`, as this
 * JavaScript engine knows them.
 */
export function propertySet(name: string): CodeSet | undefined {
  const known = properties.get(name);
  if (known) return known;
  let pattern: RegExp;
  try {
    pattern = new RegExp(`\\p{${name}}`, 'u');
  } catch {
    return undefined; // no such property
  }
  const ranges: [number, number][] = [];
  let from = -1;
  for (let code = 0; code <= 0x110000; code++) {
    const has = code <= 0x10ffff && pattern.test(String.fromCodePoint(code));
    if (has && from < 0) from = code;
    if (has || from < 0) continue;
    ranges.push([from, code - 1]);
    from = -1;
  }
  const found = codeSet(ranges);
  properties.set(name, found);
  return found;
}
