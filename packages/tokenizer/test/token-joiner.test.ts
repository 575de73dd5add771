import { describe, expect, it } from 'vitest';
import { TokenBytes } from '../src/index.ts';

describe('joining tokens', () => {
  it('keeps every byte, of any length, also where eight of them spell a NaN', () => {
    const tokens = Array.from({ length: 40 }, (_, n) =>
      Uint8Array.from({ length: n }, (_, i) => (i * 37 + n) & 0xff),
    );
    for (const quiet of [0x7f, 0xff])
      for (const low of [0xf0, 0xf1, 0xf8, 0xff])
        for (const at of [0, 8]) {
          const token = new Uint8Array(19).fill(7);
          token.set([1, 2, 3, 4, 5, 6, low, quiet], at);
          tokens.push(token, token.slice(0, at + 8));
        }
    const joined = TokenBytes.from(tokens);
    const ids = Array.from({ length: 3000 }, (_, i) => (i * i * 31 + i) % tokens.length);
    expect(Buffer.compare(joined.join(ids, undefined), Buffer.concat(ids.map((id) => tokens[id])))).toBe(0);
    const skip = new Uint8Array(tokens.length);
    skip[5] = 1;
    expect(Array.from(joined.join([4, 5, 6], skip))).toEqual([...tokens[4], ...tokens[6]]);
    for (const id of [-1, tokens.length, 1.5, NaN, 2 ** 32])
      expect(() => joined.join([id], undefined)).toThrow(`id ${id} is outside the vocabulary`);
  });
});
