import { describe, expect, it } from 'vitest';
import {
  AttentionError,
  attention,
  flashAttention,
  flashAttentionGrad,
  pagedAttention,
  writeCache,
} from '../src/index.ts';

const f32 = (length: number): Float32Array => new Float32Array(length);
const shape = { heads: 2, kvHeads: 1, headDim: 4 };
const paged = {
  ...shape,
  blockSize: 4,
  blockTable: Int32Array.of(0, 1),
  queryStarts: Int32Array.of(0, 2),
  lengths: Int32Array.of(5),
};
const page = (options: object): void =>
  pagedAttention(f32(16), f32(16), f32(32), f32(32), { ...paged, ...options });

describe('bad input is named, with the values', () => {
  const cases: Record<string, [() => unknown, string]> = {
    'a misspelt option': [
      () => flashAttention(f32(8), f32(4), f32(4), { ...shape, kvHead: 1 } as never),
      'did you mean "kvHeads"?',
    ],
    'an unknown option': [
      () => flashAttention(f32(8), f32(4), f32(4), { ...shape, dropout: 1 } as never),
      'options are heads, kvHeads',
    ],
    'a mask given to flash': [
      () => flashAttention(f32(8), f32(4), f32(4), { ...shape, allowed: 1 } as never),
      'unknown option "allowed"',
    ],
    'heads that do not divide': [
      () => flashAttention(f32(12), f32(8), f32(8), { heads: 3, kvHeads: 2, headDim: 4 }),
      '3 query heads cannot share 2',
    ],
    'no head width': [() => flashAttention(f32(8), f32(4), f32(4), { heads: 2, headDim: 0 }), 'headDim is 0'],
    'a ragged q': [
      () => flashAttention(f32(9), f32(4), f32(4), shape),
      'q has 9 elements, not a multiple of the row width 8',
    ],
    'k and v of different length': [
      () => flashAttention(f32(8), f32(4), f32(8), shape),
      'v has 8 elements, k has 4',
    ],
    'mixed precision': [
      () => flashAttention<never>(f32(8) as never, new Float64Array(4) as never, f32(4) as never, shape),
      'q and k differ in precision',
    ],
    'plain arrays': [
      () => flashAttention([1] as never, [1] as never, [1] as never, shape),
      'q is not a Float32Array',
    ],
    'segments that miss rows': [
      () => flashAttention(f32(16), f32(8), f32(8), { ...shape, segments: Int32Array.of(0, 1) }),
      'there are 2 rows',
    ],
    'segments that go back': [
      () => flashAttention(f32(16), f32(8), f32(8), { ...shape, segments: Int32Array.of(0, 3, 2) }),
      'segments[2] = 2 lies before segments[1] = 3',
    ],
    'segments with a prefix': [
      () => flashAttention(f32(16), f32(12), f32(12), { ...shape, segments: Int32Array.of(0, 1, 2) }),
      'packed segments need as many keys as queries',
    ],
    'a scale that is not finite': [
      () => flashAttention(f32(8), f32(4), f32(4), { ...shape, scale: NaN }),
      'scale is NaN',
    ],
    'a mask of another size': [
      () => attention(f32(8), f32(4), f32(4), { ...shape, allowed: new Uint8Array(2) }),
      'allowed has 2 elements for 1 rows and 1 keys',
    ],
    'an lse of another shape': [
      () => flashAttentionGrad(f32(8), f32(8), f32(4), f32(4), f32(8), f32(3), shape),
      'lse has 3 elements, expected 2',
    ],
    'a block size that does not divide': [() => page({ blockSize: 3 }), 'give a divisor of 128'],
    'fewer keys than new rows': [
      () => page({ lengths: Int32Array.of(1) }),
      'has 2 query rows but only 1 keys',
    ],
    'more keys than blocks': [() => page({ lengths: Int32Array.of(9) }), 'holds 2 blocks of 4'],
    'a block outside the cache': [
      () => page({ blockTable: Int32Array.of(0, 2) }),
      'blockTable[0, 1] = 2, but the cache has 2 blocks',
    ],
    'a slot outside the cache': [
      () => writeCache(f32(8), f32(8), f32(4), f32(4), Int32Array.of(2)),
      'slots[0] = 2, but the cache has 2 places',
    ],
  };
  for (const [name, [call, message]] of Object.entries(cases)) {
    it(name, () => {
      expect(call).toThrow(AttentionError);
      expect(call).toThrow(message);
    });
  }
});
