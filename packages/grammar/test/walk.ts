import { type Constraint, type Matcher, TokenTrie } from '@cria/grammar';
import type { Random } from './random.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Every byte, and the id after them that ends the text. */
export const END = 256;
export const byteTrie = TokenTrie.of(
  [...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)), undefined],
  {
    endIds: [END],
  },
);

/** Whether the whole text is one of the grammar's, byte by byte. */
export function takes(matcher: Matcher, text: string): boolean {
  const constraint = matcher.start();
  for (const byte of encoder.encode(text)) {
    if (!constraint.allows(byte)) return false;
    constraint.accept(byte);
  }
  return constraint.mayEnd;
}

/** All bytes, pieces of JSON, and pieces that cut characters in two. */
export function jsonVocabulary(random: Random): Uint8Array[] {
  const pieces = [
    '{"',
    '":',
    '","',
    '"}',
    '"]',
    '},{',
    '[]',
    '{}',
    'true',
    'false',
    'null',
    '00',
    '12',
    '.5',
    'e+',
    '\\u',
    '\\n',
  ];
  const words = [
    'name',
    'a',
    'b',
    'é',
    '日本',
    '🦙',
    ' ',
    '  ',
    '": "',
    'x"',
    '"x',
    'abc',
    '0a',
    '-1',
    '"a":',
    ', "',
  ];
  const tokens: Uint8Array[] = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  for (const piece of [...pieces, ...words]) tokens.push(encoder.encode(piece));
  for (let i = 0; i < 200; i++) {
    const all = encoder.encode([random.pick(words), random.pick(pieces), random.pick(words)].join(''));
    const from = random.below(all.length);
    tokens.push(all.slice(from, from + 1 + random.below(6)));
  }
  return tokens;
}

export function allowed(constraint: Constraint, size: number): number[] {
  const bits = new Uint32Array(Math.ceil(size / 32));
  constraint.mask(bits);
  return Array.from({ length: size }, (_, id) => id).filter((id) => (bits[id >> 5]! >> (id & 31)) & 1);
}

/** Bytes that bring a text to its end. */
const closers = encoder.encode('"]},:0');

/** A text chosen at random, after a while by what ends it; undefined where it did not end. */
export function walk(
  matcher: Matcher,
  random: Random,
  tokens: Uint8Array[],
  length = 400,
): string | undefined {
  const constraint = matcher.start();
  const bytes: number[] = [];
  for (let i = 0; i < length; i++) {
    const ids = allowed(constraint, tokens.length + 1);
    if (ids.length === 0)
      throw new Error(
        `nothing is allowed after ${JSON.stringify(new TextDecoder().decode(new Uint8Array(bytes)))}`,
      );
    const closing = ids.filter((id) => id === tokens.length || closers.includes(id));
    const isLate = random.below(40) < i;
    const id = isLate && closing.length > 0 ? random.pick(closing) : random.pick(ids);
    constraint.accept(id);
    if (id === tokens.length) return decoder.decode(new Uint8Array(bytes));
    bytes.push(...tokens[id]!);
  }
  return undefined;
}
