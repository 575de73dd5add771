// One alphabet of element types: what files call them stays in the tables of their formats.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, it } from 'vitest';
import { filesBelow, rooms, root } from '../lib/workspace.mjs';

/** A quoted element type in capitals: 'BF16', "Q4_K", also with a storage's dot or a mix's ending. */
const CAPITALS = /(['"`])(?:BOOL|B?F(?:8|16|32|64)|[IU](?:8|16|32|64)|Q[2-8]_(?:\d|K(?:_[SML])?))\1/g;

/** The tables in which a format's own spelling stands. */
const TABLES = ['packages/checkpoint/src/gguf/tensor-types.ts'];

it('sources spell element types in lower case', () => {
  const found: string[] = [];
  for (const { folder } of rooms()) {
    for (const file of filesBelow(`${folder}/src`)) {
      const path = relative(root, file).replaceAll('\\', '/');
      if (!path.endsWith('.ts') || TABLES.includes(path)) continue;
      for (const [match] of readFileSync(file, 'utf8').matchAll(CAPITALS)) found.push(`${path}: ${match}`);
    }
  }
  expect(found).toEqual([]);
});
