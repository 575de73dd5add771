import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashName, normals, permute, philox, uniform, uniforms } from '@cria/tensor';

type Block = [number, number, number, number];

function draw(counter: Block, key: [number, number]): string[] {
  const out = new Uint32Array(4);
  philox(...counter, ...key, out);
  return Array.from(out, (word) => word.toString(16).padStart(8, '0'));
}

/** The published definition in whole numbers of any size. */
function philoxOracle(counter: Block, key: [number, number]): string[] {
  let [c0, c1, c2, c3] = counter.map(BigInt);
  let [k0, k1] = key.map(BigInt);
  const low = (x: bigint) => x & 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [low((p1 >> 32n) ^ c1 ^ k0), low(p1), low((p0 >> 32n) ^ c3 ^ k1), low(p0)];
    k0 = low(k0 + 0x9e3779b9n);
    k1 = low(k1 + 0xbb67ae85n);
  }
  return [c0, c1, c2, c3].map((word) => word.toString(16).padStart(8, '0'));
}

describe('philox4x32-10', () => {
  // Random123's kat_vectors.
  test.each<[Block, [number, number], string]>([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ])('gives the published words for counter %j', (counter, key, words) => {
    expect(draw(counter, key).join(' ')).toBe(words);
  });

  test('is the definition in big integers', () => {
    const word = fc.oneof(
      fc.nat({ max: 0xffffffff }),
      fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff),
    );
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(draw(counter, key)).toEqual(philoxOracle(counter, key));
      }),
      { numRuns: 300 },
    );
  });
});

const place = { seed: 2 ** 40 + 7, stream: 3 };

test('a number is a function of its place, wherever drawing starts', () => {
  const all = new Float64Array(64);
  const wide = new Float64Array(64);
  uniforms({ ...place, start: 1000 }, all);
  normals({ ...place, start: 1000, std: 2 }, wide);
  for (const start of [0, 1, 2, 3, 5, 42, 63]) {
    const [some, few] = [new Float64Array(64 - start), new Float32Array(64 - start)];
    uniforms({ ...place, start: 1000 + start }, some);
    normals({ ...place, start: 1000 + start, std: 2 }, few);
    expect(some).toEqual(all.slice(start));
    expect(few).toEqual(new Float32Array(wide.slice(start)));
  }
  const far = new Float64Array(8);
  uniforms({ ...place, start: 2 ** 45 }, far);
  const beyond = new Float64Array(4);
  uniforms({ ...place, start: 2 ** 45 + 4 }, beyond);
  expect(beyond).toEqual(far.slice(4));
  const near = new Float64Array(4);
  uniforms({ ...place, start: 2 ** 45 + 4 - 2 ** 34 }, near); // 2^32 blocks of four before: the counter's upper word
  expect(near).not.toEqual(beyond);
});

test('normals are Box and Muller of pairs of words', () => {
  const words = new Uint32Array(4);
  philox(2, 0, 3, 0, 7, 256, words);
  const pair = (a: number, b: number) => {
    const [radius, angle] = [Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32)), 2 * Math.PI * (b / 2 ** 32)];
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  };
  const actual = new Float64Array(4);
  normals({ ...place, start: 8, std: 1 }, actual);
  const wanted = [...pair(words[0], words[1]), ...pair(words[2], words[3])];
  actual.forEach((value, i) => expect(Math.abs(value - wanted[i])).toBeLessThan(1e-14));
});

test('seed (all 53 bits) and stream give other numbers', () => {
  const one = (seed: number, stream: number) => uniform({ seed, stream, start: 5 });
  expect(new Set([one(1, 0), one(2, 0), one(1, 1), one(1 + 2 ** 32, 0), one(1 + 2 ** 52, 0)]).size).toBe(5);
});

test('uniforms fill [0, 1) evenly', () => {
  const values = new Float64Array(100_000);
  uniforms({ ...place, start: 0 }, values);
  const counts = new Array<number>(10).fill(0);
  for (const value of values) counts[Math.floor(value * 10)]++;
  // Standard deviation of a count is 95.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(475);
});

test('normals have the moments of N(0, std²)', () => {
  const values = new Float64Array(200_000);
  normals({ ...place, start: 0, std: 0.5 }, values);
  const moment = (power: number) =>
    values.reduce((sum, value) => sum + (value / 0.5) ** power, 0) / values.length;
  // Five standard deviations of each sample moment: √(1, 2, 15, 96) / √n.
  expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / 200_000));
  expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / 200_000));
  expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / 200_000));
  expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / 200_000));
  let neighbours = 0;
  for (let i = 0; i + 1 < values.length; i++) neighbours += (values[i] * values[i + 1]) / 0.25;
  expect(Math.abs(neighbours / values.length)).toBeLessThan(5 * Math.sqrt(1 / 200_000));
});

test('permute is a bijection that depends on seed and stream alone', () => {
  for (const n of [1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097]) {
    const image = Array.from({ length: n }, (_, i) => permute(i, n, 9, 4));
    expect(new Set(image).size).toBe(n);
    expect(image.every((value) => Number.isInteger(value) && value >= 0 && value < n)).toBe(true);
    const backwards = Array.from({ length: n }, (_, i) => permute(n - 1 - i, n, 9, 4)).reverse();
    expect(backwards).toEqual(image);
    if (n >= 100) expect(Array.from({ length: n }, (_, i) => permute(i, n, 10, 4))).not.toEqual(image);
  }
});

test('permute mixes', () => {
  const n = 10_000;
  let [together, fixed] = [0, 0];
  for (let i = 0; i + 1 < n; i++) {
    const image = permute(i, n, 1, 1);
    if (permute(i + 1, n, 1, 1) === image + 1) together++;
    if (image === i) fixed++;
  }
  expect(together).toBeLessThan(10);
  expect(fixed).toBeLessThan(10);
});

test('hashName is FNV-1a', () => {
  expect(hashName('')).toBe(0x811c9dc5);
  expect(hashName('a')).toBe(0xe40c292c);
  expect(hashName('foobar')).toBe(0xbf9cf968);
});
