import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Abilities, Arena, reference, ReferenceDevice, type Region } from '@cria/tensor';

type Act = { readonly allocate: number; readonly lend?: boolean } | { readonly release: number } | 'reset';

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      allocate: fc.oneof(fc.nat({ max: 5000 }), fc.nat({ max: 700_000 })),
      lend: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ release: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant<Act>('reset') },
);

function expectApart(live: readonly Region[]): void {
  const sorted = [...live].sort((a, b) => a.storage - b.storage || a.offset - b.offset);
  sorted.forEach((region, i) => {
    expect(region.offset % 256).toBe(0);
    expect(region.offset + region.bytes).toBeLessThanOrEqual(region.segment.bytes);
    const next = sorted[i + 1];
    if (next?.storage === region.storage)
      expect(region.offset + region.bytes).toBeLessThanOrEqual(next.offset);
  });
}

test('regions never overlap, and released neighbours become one piece', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      using device = reference();
      const arena = new Arena(device);
      let live: Region[] = [];
      const lent = new Set<Region>();
      let most = 0;
      for (const each of acts) {
        if (each === 'reset') {
          arena.reset();
          live = live.filter((region) => lent.has(region));
        } else if ('allocate' in each) {
          const region = each.lend ? arena.lend(each.allocate) : arena.allocate(each.allocate);
          if (each.lend) lent.add(region);
          expect(region.bytes).toBeGreaterThanOrEqual(each.allocate);
          live.push(region);
        } else if (live.length > 0) {
          const [region] = live.splice(each.release % live.length, 1);
          arena.release(region);
        }
        expectApart(live);
        expect(arena.inUse).toBe(live.reduce((sum, region) => sum + region.bytes, 0));
        most = Math.max(most, arena.inUse);
      }
      const { reserved } = arena;
      const segments = new Map(live.map(({ segment }) => [segment.storage, segment]));
      for (const region of live) arena.release(region);
      for (const { free, bytes } of segments.values()) expect(free).toEqual([{ offset: 0, bytes }]);
      expect([arena.inUse, arena.reserved <= reserved]).toEqual([0, true]);
      expect(arena.highWater).toBe(most);
    }),
    { numRuns: 150 },
  );
});

test('the smallest piece that fits is taken', () => {
  using device = reference();
  const arena = new Arena(device);
  const [large, , small] = [
    arena.allocate(4096),
    arena.allocate(256),
    arena.allocate(512),
    arena.allocate(256),
  ];
  arena.release(large);
  arena.release(small);
  expect(arena.allocate(500).offset).toBe(small.offset);
  expect(arena.allocate(500).offset).toBe(large.offset);
});

test('reset makes one segment of several, once, and keeps it', () => {
  using device = reference();
  const arena = new Arena(device);
  const pass = () => {
    for (let i = 0; i < 5; i++) arena.allocate(1 << 20);
    arena.reset();
  };
  pass();
  const [reserved, allocated] = [arena.reserved, device.memory.allocated];
  expect(reserved).toBe(5 << 20);
  pass();
  expect([arena.reserved, device.memory.allocated]).toEqual([reserved, allocated]);
  expect(arena.highWater).toBe(5 << 20);
  arena.dispose();
  expect([arena.reserved, device.memory.allocated]).toEqual([0, 0]);
});

test('lent memory holds several segments apart until it is back', () => {
  using device = reference();
  const arena = new Arena(device);
  arena.allocate(1 << 20);
  const lent = arena.lend(3 << 20);
  arena.reset();
  expect(arena.inUse).toBe(3 << 20);
  const all = () => arena.allocate(4 << 20);
  expect(all().storage).not.toBe(lent.storage);
  arena.reset();
  arena.release(lent);
  const { reserved } = arena;
  expect(all().segment.bytes).toBe(reserved);
  expect(arena.reserved).toBe(reserved);
});

/** As devices whose buffers have a largest size, and whose bindings begin at multiples of 256 bytes or more. */
class SmallDevice extends ReferenceDevice {
  override readonly abilities: Abilities;
  constructor(storageLimit: number, offsetAlignment: number) {
    super();
    this.abilities = { ...reference().abilities, storageLimit, offsetAlignment };
  }
}

test('below a limit of storages the memory of steps stays in several, each reset gives all of it back', () => {
  using device = new SmallDevice(1 << 16, 512);
  const arena = new Arena(device);
  const pass = () => {
    const regions = Array.from({ length: 40 }, (_, i) => arena.allocate(300 + 997 * i));
    expectApart(regions);
    for (const { offset, segment } of regions)
      expect([offset % 512, segment.bytes <= 1 << 16]).toEqual([0, true]);
    arena.reset();
    return regions.map(({ storage, offset }) => [storage, offset]);
  };
  const first = pass();
  const { reserved } = arena;
  expect(reserved).toBeGreaterThan(10 << 16);
  expect([pass(), pass()]).toEqual([first, first]);
  expect([arena.reserved, device.memory.allocated]).toEqual([reserved, reserved]);
  expect(() => arena.allocate((1 << 16) + 1)).toThrow(
    '[reference.allocate] 66048 bytes are more than the 65536 that one storage has here at most.',
  );
});

test('several segments become one where a storage may be so large, and only there', () => {
  const segmentsAfter = (limit: number) => {
    using device = new SmallDevice(limit, 256);
    const arena = new Arena(device);
    for (let i = 0; i < 3; i++) arena.allocate(1 << 20);
    arena.reset();
    return arena.state.segments.length;
  };
  expect([segmentsAfter(3 << 20), segmentsAfter(2 << 20)]).toEqual([1, 3]);
});

test('a tensor that begins where the device cannot is refused by name', () => {
  using device = new SmallDevice(Infinity, 256);
  const x = device.empty([128], 'f32');
  device.kernels.fill(x.slice(64, 128), 1);
  expect(() => device.kernels.fill(x.slice(1, 3), 1)).toThrow(
    '[fill] y begins at byte 4 of its storage, not at a multiple of 256.',
  );
});
