import { expect, test } from 'vitest';
import { readmeExample } from '../lib/readme-example.mjs';

test('the example is the marked block, at the lines it has in the README', () => {
  const markdown =
    '# x\n```ts\nno\n```\n<!-- example -->\n\n```ts\nconst a = 1;\n\nlog(a);\n```\n```ts\nno\n```\n';
  const code = readmeExample(markdown);
  expect(code?.split('\n')[7]).toBe('const a = 1;');
  expect(code?.trim()).toBe('const a = 1;\n\nlog(a);');
});

test('several marked blocks are one program, each at its lines', () => {
  const markdown =
    'x\n<!-- example -->\n```ts\nconst a = 1;\n```\ntext\n```ts\nno\n```\n<!-- example -->\n```ts\nlog(a);\n```\n';
  const lines = readmeExample(markdown)?.split('\n');
  expect([lines?.[3], lines?.[11]]).toEqual(['const a = 1;', 'log(a);']);
  expect(lines?.filter(Boolean)).toHaveLength(2);
  expect(readmeExample(`${markdown}<!-- example -->\n`)).toBeUndefined();
});

test('no mark, another language, text between, or no end: no example', () => {
  expect(readmeExample('```ts\na\n```')).toBeUndefined();
  expect(readmeExample('<!-- example -->\n```sh\na\n```')).toBeUndefined();
  expect(readmeExample('<!-- example -->\ntext\n```ts\na\n```')).toBeUndefined();
  expect(readmeExample('<!-- example -->\n```ts\na\n')).toBeUndefined();
});
