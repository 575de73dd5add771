import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockPool, PrefixIndex } from '../src/index.ts';
import { ROOT } from '../src/cache/prefix-index.ts';

describe('BlockPool', () => {
  it('counts users, and takes what was of no use for the longest time first (against a list)', () => {
    const commands = fc.array(fc.tuple(fc.constantFrom('take', 'share', 'back'), fc.nat(), fc.boolean()), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), commands, (size, script) => {
        const pool = new BlockPool(size, 4);
        const users = Array.from({ length: size }, () => 0);
        let free = [...users.keys()];
        for (const [what, number, kept] of script) {
          const block = number % size;
          if (what === 'take' && free.length > 0) {
            expect(pool.take()).toBe(free[0]);
            users[free.shift()!] = 1;
          } else if (what === 'share') {
            pool.share(block);
            users[block]!++;
            free = free.filter((each) => each !== block);
          } else if (what === 'back' && users[block]! > 0) {
            pool.giveBack(block, kept);
            if (--users[block]! === 0) free = kept ? [...free, block] : [block, ...free];
          }
          pool.check();
          expect(pool.freeCount).toBe(free.length);
          expect(users.map((_, each) => pool.users(each))).toEqual(users);
        }
      }),
    );
  });

  it('refuses to give back what nobody has, and to take what is not there', () => {
    const pool = new BlockPool(2, 4);
    const block = pool.take();
    pool.giveBack(block);
    expect(() => pool.giveBack(block)).toThrow(`block ${block} is not taken`);
    pool.take();
    pool.take();
    expect(() => pool.take()).toThrow('all 2 blocks are taken');
  });
});

describe('PrefixIndex', () => {
  const content = (ids: readonly number[], parent = ROOT, salt = '') => ({
    ids: Int32Array.from(ids),
    from: 0,
    parent,
    salt,
  });

  it('finds a block by its ids and all that stands before them, within its salt', () => {
    const index = new PrefixIndex(8, 2);
    const first = index.add(5, content([1, 2]));
    const second = index.add(3, content([1, 2], first));
    expect(index.find(content([1, 2]))).toBe(5);
    expect(index.find(content([1, 2], first))).toBe(3);
    expect(index.find(content([1, 2], second))).toBe(-1);
    expect(index.find(content([1, 3]))).toBe(-1);
    expect(index.find(content([1, 2], ROOT, 'x'))).toBe(-1);
    // The same again is the same node, and the block that holds it twice is not known.
    expect(index.add(4, content([1, 2], first))).toBe(second);
    expect([index.nodeOf(4), index.size]).toEqual([0, 2]);
    index.forget(3);
    expect([index.find(content([1, 2], first)), index.size]).toEqual([-1, 1]);
    expect(() => index.add(5, content([7, 7]))).toThrow('block 5 is known already');
  });

  it('is not deceived by a hash that two contents share', () => {
    // As if every hash were the same.
    class Colliding extends Map<number, number> {
      override get = () => super.get(0);
      override set = (_: number, block: number) => super.set(0, block);
      override delete = () => super.delete(0);
    }
    const index = new PrefixIndex(4, 2, Uint32Array.of(0, 0), new Colliding());
    const first = index.add(0, content([1, 2]));
    expect(index.find(content([1, 2]))).toBe(0);
    expect(index.find(content([2, 1]))).toBe(-1);
    // The newer one takes the place; nothing is found that is not so.
    index.add(1, content([3, 4], first));
    expect(index.find(content([1, 2]))).toBe(-1);
    expect(index.find(content([3, 4], first))).toBe(1);
    expect(index.find(content([3, 4]))).toBe(-1);
    expect(index.find(content([3, 4], first, 'x'))).toBe(-1);
    expect([index.nodeOf(0), index.size]).toEqual([0, 1]);
  });

  it('spreads contents that differ in one place only', () => {
    const index = new PrefixIndex(4096, 2);
    for (let i = 0; i < 4096; i++) index.add(i, content([i % 64, Math.floor(i / 64)]));
    expect(index.size).toBe(4096);
  });
});
