import { compileGrammar, compileRegex, compileSchema, type Grammar, Matcher, TokenTrie } from '@cria/grammar';
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { allowed, byteTrie, END, jsonVocabulary } from './walk.ts';

const encoder = new TextEncoder();

const grammars: Record<string, () => Grammar> = {
  'any JSON': () => compileSchema(true, { whitespace: 'flexible' }),
  'counted strings': () =>
    compileSchema({
      type: 'array',
      items: { type: 'string', minLength: 2, maxLength: 9 },
      minItems: 2,
      maxItems: 5,
    }),
  'a recursive schema': () =>
    compileSchema({
      $defs: {
        t: {
          type: 'object',
          properties: { a: { $ref: '#/$defs/t' }, b: { anyOf: [{ type: 'string' }, { $ref: '#/$defs/t' }] } },
        },
      },
      $ref: '#/$defs/t',
    }),
  'a regular expression': () => compileRegex('(?:ab?|"[^"]{3,40}"|\\{(?:name|a)*\\}|🦙)+'),
  parentheses: () => compileGrammar('root ::= "{" root "}" | "[" (root ","){0,9} root "]" | [a-z0-9]+'),
};

/** The definition, without a trie: an id is allowed where its bytes, one after another, are. */
function plainly(matcher: Matcher, path: number[], tokens: Uint8Array[]): number[] {
  const bytes = path.flatMap((id) => [...tokens[id]!]);
  const ids = tokens
    .map((_, id) => id)
    .filter((id) => {
      const constraint = matcher.start();
      for (const byte of bytes) constraint.accept(byte);
      return (
        tokens[id]!.length > 0 &&
        tokens[id]!.every((byte) => constraint.allows(byte) && (constraint.accept(byte), true))
      );
    });
  const constraint = matcher.start();
  for (const byte of bytes) constraint.accept(byte);
  return constraint.mayEnd ? [...ids, tokens.length] : ids;
}

describe('a mask allows a token exactly where its bytes can follow', () => {
  it.each(Object.entries(grammars))('%s', (_, make) => {
    const grammar = make();
    for (const [seed, maxDepth] of [
      [1, 256],
      [2, 9],
    ] as const) {
      const random = new Random(seed);
      const tokens = jsonVocabulary(random).filter((_, id) => id < 256 || random.below(2) === 0);
      const trie = TokenTrie.of([...tokens, undefined], { endIds: [tokens.length] });
      const matcher = new Matcher(grammar, trie, { maxDepth });
      const bytewise = new Matcher(grammar, byteTrie, { maxDepth });
      const constraint = matcher.start();
      const path: number[] = [];
      for (let i = 0; i < 14; i++) {
        const ids = allowed(constraint, tokens.length + 1);
        expect(ids).toEqual(plainly(bytewise, path, tokens));
        for (const id of [0, 34, 44, 123, tokens.length])
          expect(constraint.allows(id)).toBe(ids.includes(id));
        const open = ids.filter((id) => id < tokens.length);
        if (open.length === 0) break;
        const opening = open.filter((id) => tokens[id]!.some((byte) => byte === 0x5b || byte === 0x7b));
        const id = opening.length > 0 && random.below(2) === 0 ? random.pick(opening) : random.pick(open);
        constraint.accept(id);
        path.push(id);
      }
    }
  });
});

describe('a constraint', () => {
  const matcher = new Matcher(
    compileSchema({
      type: 'object',
      properties: { kind: { const: 'x' }, n: { type: 'integer', maximum: 9 } },
      required: ['kind', 'n'],
      additionalProperties: false,
    }),
    byteTrie,
  );
  const feed = (text: string) => {
    const constraint = matcher.start();
    for (const byte of encoder.encode(text)) constraint.accept(byte);
    return constraint;
  };
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

  it('says what must come next', () => {
    expect(decode(matcher.start().forcedBytes())).toBe('{"kind":"x","n":');
    expect(decode(feed('{"kind":"x","n":3').forcedBytes())).toBe('}');
    expect(decode(feed('{"kind":"x","n":3}').forcedBytes())).toBe('');
  });

  it('takes tokens back', () => {
    const constraint = feed('{"kind":"x","n":3');
    constraint.rollback(1);
    constraint.accept(0x37);
    expect(() => constraint.rollback(100)).toThrow('cannot be taken back');
    constraint.accept(0x7d);
    expect(constraint.isComplete).toBe(true);
    constraint.rollback(18);
    expect(decode(constraint.forcedBytes())).toBe('{"kind":"x","n":');
  });

  it('goes its own way from its clone', () => {
    const constraint = feed('{"kind":"x","n":3');
    const clone = constraint.clone();
    clone.accept(0x7d);
    expect([constraint.isComplete, clone.isComplete]).toEqual([false, true]);
    expect(constraint.allows(0x7d)).toBe(true);
  });

  it('lets the text end exactly where it may', () => {
    const constraint = feed('{"kind":"x","n":3');
    expect([constraint.mayEnd, constraint.allows(END)]).toEqual([false, false]);
    expect(() => constraint.accept(END)).toThrow('does not fit the grammar');
    constraint.accept(0x7d);
    expect(allowed(constraint, 257)).toEqual([END]);
    constraint.accept(END);
    expect([constraint.isComplete, constraint.mask(new Uint32Array(9))]).toEqual([true, false]);
    expect(constraint.allows(END)).toBe(false);
  });

  it('is what it was after a token that does not fit', () => {
    const constraint = feed('{"kind":"x","n":3');
    expect(() => constraint.accept(0x41)).toThrow('[constraint] token 65 does not fit the grammar here.');
    constraint.accept(0x7d);
    expect(constraint.isComplete).toBe(true);
  });

  it('says where a vocabulary has nothing that fits', () => {
    const trie = TokenTrie.of([encoder.encode('"'), encoder.encode('é')], {});
    const constraint = new Matcher(compileRegex('a'), trie).start();
    expect(constraint.mask(Uint32Array.of(7))).toBe(false);
  });

  it('clears the words of a mask beyond the vocabulary', () => {
    const bits = new Uint32Array(12).fill(0xffffffff);
    matcher.start().mask(bits);
    expect([...bits.subarray(9)]).toEqual([0, 0, 0]);
    expect(() => matcher.start().mask(new Uint32Array(8))).toThrow('too short');
  });

  it('passes between threads as plain data', () => {
    const copy = structuredClone(matcher.grammar);
    const bits = [new Uint32Array(9), new Uint32Array(9)] as const;
    matcher.start().mask(bits[0]);
    new Matcher(copy, byteTrie).start().mask(bits[1]);
    expect(bits[1]).toEqual(bits[0]);
  });

  it('never goes deeper than it can come back from', () => {
    const deep = new Matcher(compileSchema({ type: 'array', items: { $ref: '#' } }), byteTrie, {
      maxDepth: 30,
    });
    const constraint = deep.start();
    let depth = 0;
    while (constraint.allows(0x5b)) {
      constraint.accept(0x5b);
      depth++;
    }
    expect(depth).toBeGreaterThan(5);
    for (let i = 0; i < depth; i++) constraint.accept(0x5d);
    expect(constraint.isComplete).toBe(true);
  });
});

it('control tokens and tokens without bytes are never allowed', () => {
  const tokens = [encoder.encode('a'), encoder.encode('a'), new Uint8Array(), undefined, encoder.encode('a')];
  const trie = TokenTrie.of(tokens, { endIds: [4], excluded: [1] });
  const constraint = new Matcher(compileRegex('a*'), trie).start();
  expect(allowed(constraint, 5)).toEqual([0, 4]);
  expect(() => TokenTrie.of(tokens, { endIds: [9] })).toThrow('id 9 is not in a vocabulary of 5');
});
