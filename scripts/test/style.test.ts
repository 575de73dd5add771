import { expect, test } from 'vitest';
import { checkStyle, type Limits, lowered } from '../lib/style-limits.mjs';
import { figuresOf } from '../lib/style.mjs';

const filled = (lines: number) => Array.from({ length: lines }, (_, i) => `  f(${i});`).join('\n');
const none: Limits = { generated: [], rooms: {}, files: {} };

test('columns are characters, not bytes or units', () => {
  const { over120, over100, lines } = figuresOf(
    'a.ts',
    `${'é'.repeat(120)}\n${'😀'.repeat(121)}\n${'x'.repeat(101)}\n`,
  );
  expect([over120, over100, lines]).toEqual([[2], 3, 3]);
});

test('comments are lines that hold nothing else', () => {
  const text = `// a\n/** b */\nf(); // c\n/*\n * d\n\n */\nconst x = /* e */ 1;\n/* f */ g();\n`;
  expect(figuresOf('a.ts', text)).toMatchObject({ lines: 9, filled: 8, comments: 6 });
});

test('long functions are named, by the syntax tree; tables and suites are none', () => {
  const names = (text: string) =>
    figuresOf('a.ts', text).functions.map(({ name, lines, line }) => [name, lines, line]);
  expect(names(`\nfunction long() {\n${filled(59)}\n}\n`)).toEqual([['long', 61, 2]]);
  expect(names(`function short() {\n${filled(58)}\n}\n`)).toEqual([]);
  expect(names(`const arrow = () => {\n${filled(60)}\n};\n`)).toEqual([['arrow', 62, 1]]);
  expect(names(`class A {\n  #m() {\n${filled(60)}\n  }\n}\n`)).toEqual([['#m', 62, 2]]);
  expect(names(`describe('x', () => {\n${filled(90)}\n});\n`)).toEqual([]);
  expect(names(`describe.each([1])('x', () => {\n${filled(90)}\n});\n`)).toEqual([]);
  expect(names(`it('x', () => {\n${filled(90)}\n});\n`)).toEqual([['a callback', 92, 1]]);
  const rows = Array.from({ length: 90 }, (_, i) => `    r${i}: 1,`).join('\n');
  expect(names(`function table() {\n  return {\n${rows}\n  };\n}\n`)).toEqual([]);
  expect(names(`function table() {\n  const a = 1;\n  return Object.freeze({\n${rows}\n  });\n}\n`)).toEqual(
    [],
  );
});

test('long functions of C++ are found by their braces', () => {
  const body = Array.from({ length: 60 }, () => '  if (x) { y(); }  // }').join('\n');
  const text = `namespace a {\nstruct S {\n  static void run(int a,\n                  int b) {\n${body}\n  }\n};\nint f() { return '}'; }\n}\n`;
  expect(figuresOf('a.h', text).functions).toEqual([{ name: 'run', line: 4, lines: 62 }]);
});

test('a file, a function and a line may be as long as the limits of the file say, and no longer', () => {
  const wide = `${'x'.repeat(121)}\n`;
  const figures = new Map([
    ['packages/a/test/b.ts', figuresOf('b.ts', `${wide}function f() {\n${filled(399)}\n}\n`)],
  ]);
  const problems = checkStyle(figures, none);
  expect(problems).toEqual([
    'packages/a/test/b.ts: 1 lines over 120 columns: 1',
    'packages/a/test/b.ts: 402 lines, at most 400',
    'packages/a/test/b.ts:2: f has 401 lines, at most 60',
  ]);
  const allowed = { over120: 1, lines: 402, functions: { f: 401 } };
  expect(checkStyle(figures, { ...none, files: { 'packages/a/test/b.ts': allowed } })).toEqual([]);
  const less = { over120: 0, lines: 401, functions: { f: 400 } };
  expect(checkStyle(figures, { ...none, files: { 'packages/a/test/b.ts': less } })).toHaveLength(3);
});

test('shares of a room: wide lines at most, comments at least, and never more than is wanted', () => {
  const text = `${'x'.repeat(101)}\n${'x;\n'.repeat(18)}// one\n`;
  const figures = new Map([['packages/a/src/b.ts', figuresOf('b.ts', text)]]);
  expect(checkStyle(figures, none)).toEqual([
    'packages/a: 5.00 % of lines over 100 columns, at most 2 %',
    'packages/a: 5.0 % of source lines are comments, at least 12 %',
  ]);
  expect(checkStyle(figures, { ...none, rooms: { 'packages/a': { over100: 5, comments: 5 } } })).toEqual([]);
});

test('a ratchet lowers what became better, drops what is gone, and lets nothing grow', () => {
  const path = 'packages/a/src/b.ts';
  const figures = new Map([[path, figuresOf('b.ts', `${'x'.repeat(121)}\n// one\n`)]]);
  const limits: Limits = {
    generated: [],
    rooms: { 'packages/a': { over100: 10, comments: 3 } },
    files: {
      [path]: { over120: 5, lines: 900, functions: { gone: 80 } },
      'packages/a/src/gone.ts': { over120: 9 },
    },
  };
  expect(lowered(figures, limits)).toEqual({
    generated: [],
    rooms: { 'packages/a': { over100: 10, comments: 12 } },
    files: { [path]: { over120: 1 } },
  });
});
