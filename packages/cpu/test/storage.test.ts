import { describe, expect, test } from 'vitest';
import { permute } from '@cria/tensor';
import { loadNative } from '../src/native.ts';

const { native } = loadNative();
const MIB = 1 << 20;

/** Sizes below and above where storages share huge pages, and whole and broken pages. */
const sizes = [
  1,
  65_535,
  65_536,
  70_001,
  300_000,
  MIB,
  2 * MIB,
  2 * MIB + 1,
  3_500_000,
  16 * MIB,
  16 * MIB + 1,
];

describe.skipIf(!native)('storages', () => {
  const { alloc, free, read, write, liveBytes } = native!;

  const holds = (storage: number, bytes: number, byte: number) => {
    const found = Buffer.alloc(bytes);
    read(storage, 0, found);
    return found.equals(Buffer.alloc(bytes, byte));
  };

  test('are zero when they come, apart from each other, and counted', () => {
    const before = liveBytes();
    const held: { storage: number; bytes: number; mark: number }[] = [];
    let bytes = 0;
    for (let i = 0; i < 150; i++) {
      const size = sizes[permute(i % sizes.length, sizes.length, 3, i)]!;
      const storage = alloc(size);
      expect(holds(storage, size, 0)).toBe(true);
      const mark = 1 + (i % 255);
      write(storage, 0, new Uint8Array(size).fill(mark));
      held.push({ storage, bytes: size, mark });
      bytes += size;
      expect(liveBytes()).toBe(before + bytes);
      if (held.length < 12) continue;
      const [gone] = held.splice((7 * i) % held.length, 1);
      expect(holds(gone!.storage, gone!.bytes, gone!.mark)).toBe(true);
      free(gone!.storage);
      bytes -= gone!.bytes;
    }
    for (const { storage } of held) free(storage);
    expect(liveBytes()).toBe(before);
  });
});
