import { compileGrammar, Matcher } from '@cria/grammar';
import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';
import { byteTrie, jsonVocabulary, takes, walk } from './walk.ts';
import { TokenTrie } from '@cria/grammar';

const json = String.raw`
# a JSON text, written for this test
root   ::= ws value
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value
           ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ( [^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" hex{4}) )* "\"" ws
hex    ::= [0-9a-fA-F]
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,2})? ws
ws     ::= [ \t\n]{0,3}
`;

const cases: [name: string, grammar: string, good: string[], bad: string[]][] = [
  ['alternatives over lines', 'root ::= "a" |\n  "b"\n', ['a', 'b'], ['', 'ab']],
  ['rules in any order', 'root ::= x y\ny ::= "2"\nx ::= "1"', ['12'], ['21', '1']],
  ['groups over lines', 'root ::= ("a"\n  "b" # comment\n | "c")+', ['ab', 'c', 'abc'], ['a', '']],
  ['repetitions', 'root ::= "a"{2} "b"{1,} "c"{0,2} "d"?', ['aab', 'aabbbccd'], ['ab', 'aabccc']],
  ['escapes', 'root ::= "\\x41\\u00e9\\U0001F999\\n\\"\\\\"', ['Aé🦙\n"\\'], ['A']],
  ['classes', 'root ::= [^a-c\\]] [\\[\\]x-] .', ['d[é', '🦙-\n'], ['a[x', 'dyx']],
  ['recursion', 'root ::= "(" root ")" | ""', ['', '()', '((()))'], ['(', '())']],
  [
    'counted rules',
    'root ::= pair{3,40}\npair ::= "(" pair? ")"',
    ['()()()', '(())()((()))'],
    ['()()', '()()('],
  ],
  [
    'counted rules that may be empty',
    'root ::= x{3,40} "!"\nx ::= "a" x "b" | ""',
    ['!', 'ab!', 'aabbab!'],
    ['aab!'],
  ],
  ['names', 'root ::= my-rule_2\nmy-rule_2 ::= "x"', ['x'], ['']],
  ['ambiguity', 'root ::= ("a" | "aa" | "aaa")* "b"', [`${'a'.repeat(200)}b`, 'b'], ['ab'.repeat(2)]],
];

describe('GBNF', () => {
  it.each(cases)('%s', (_, grammar, good, bad) => {
    const matcher = new Matcher(compileGrammar(grammar), byteTrie);
    for (const text of good) expect([text, takes(matcher, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, takes(matcher, text)]).toEqual([text, false]);
  });

  it('a grammar of JSON makes JSON', () => {
    const random = new Random(3);
    const tokens = jsonVocabulary(random);
    const matcher = new Matcher(
      compileGrammar(json),
      TokenTrie.of([...tokens, undefined], { endIds: [tokens.length] }),
    );
    let ended = 0;
    for (let i = 0; i < 20; i++) {
      const text = walk(matcher, random, tokens);
      if (text === undefined) continue;
      JSON.parse(text);
      ended++;
    }
    expect(ended).toBeGreaterThan(10);
  });

  it.each([
    ['root ::= root "a" | "b"', 'begins with itself'],
    ['root ::= x root2\nx ::= ""\nroot2 ::= x root', 'begins with itself'],
    ['root ::= y', '"y" is used and not defined'],
    ['start ::= "a"', 'no rule "root"'],
    ['root ::= "a', 'not closed in line 1'],
    ['root ::= ("a"', 'not closed'],
    ['root = "a"', '"::=" is missing'],
    ['root ::= "a"\nroot ::= "b"', 'defined twice'],
    ['root ::= <[1000]>', 'tokens by name or id'],
    ['root ::= "\\q"', 'not known'],
    ['root ::= "a"{3,2}', 'out of order'],
    ['root ::= "(" root ")"', 'no text at all'],
    [`root ::= ${'('.repeat(3000)}`, 'groups are open'],
  ])('refuses %s', (grammar, message) => {
    expect(() => compileGrammar(grammar)).toThrow(message);
  });
});
