import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Device, reference, type Tensor } from '@cria/tensor';
import { loadFrom } from '../src/native.ts';
import { openFrom } from '../src/open.ts';
import { instantiate } from '../src/wasm/node.ts';
import { loadWasmFrom, wasm } from '../src/wasm.ts';
import { built } from './support/wasm.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-wasm-'));
afterAll(() => rmSync(folder, { recursive: true }));
const native = built?.native;
const path = built?.path ?? '';

test('a file that is not there, or no module, is a reason', () => {
  expect(loadWasmFrom(join(folder, 'none.wasm')).reason).toMatch(/^no wasm file: it was not built here/);
  const broken = join(folder, 'broken.wasm');
  writeFileSync(broken, 'not a module');
  expect(loadWasmFrom(broken)).toMatchObject({ native: undefined });
  expect(loadWasmFrom(broken).reason).toMatch(/broken\.wasm does not load: .*WebAssembly/);
});

describe.skipIf(!native)('wasm device', () => {
  test('takes over where there is no native file, and says why', async () => {
    const nowhere = loadFrom({
      packageName: '@cria/cpu-not-a-platform',
      built: join(folder, 'none.node'),
      recorded: join(folder, 'none.json'),
    });
    const opened = openFrom(nowhere, { threads: 2 });
    using device = opened.device;
    expect(device.description).toBe('wasm, 2 threads');
    expect(opened.reason).toMatch(/it was not built here .*; kernels in wasm SIMD$/);
    expect(await losses(device)).toEqual(await losses(wasm({ threads: 1 })));
  });

  test('refuses options it does not have', () => {
    expect(() => wasm({ thread: 2 } as object)).toThrow('did you mean "threads"?');
    expect(() => wasm({ threads: 0 })).toThrow('threads is 0');
  });

  test('a linear classifier trains to the losses of the reference device', async () => {
    using ours = wasm({ threads: 2 });
    using plain = reference();
    const [found, expected] = [await losses(ours), await losses(plain)];
    expect(found.at(-1)).toBeLessThan(found[0]! / 2);
    for (const [i, loss] of found.entries()) expect(Math.abs(loss - expected[i]!)).toBeLessThan(1e-4);
  });

  test('reads a part of a file, and names what is wrong with one', async () => {
    using device = wasm({ threads: 1 });
    const file = join(folder, 'numbers.bin');
    writeFileSync(file, new Uint8Array(Float32Array.from({ length: 100 }, (_, i) => i).buffer));
    const storage = device.mapFile(file, 40, 80);
    const seen = new Float32Array(20);
    native!.read(storage, 0, new Uint8Array(seen.buffer));
    expect([...seen]).toEqual(Array.from({ length: 20 }, (_, i) => i + 10));
    const tensor = device.empty([5], 'f32');
    await device.readFile!(file, 4, 16, tensor.storage, tensor.offset + 4);
    expect([...(await tensor.toFloat32())]).toEqual([0, 1, 2, 3, 4]);
    await expect(device.readFile!(file, 396, 8, tensor.storage, tensor.offset)).rejects.toThrow(
      /it is shorter/,
    );
    expect(() => device.mapFile(file, 360, 80)).toThrow(/it is shorter/);
    expect(() => device.mapFile(join(folder, 'no.bin'), 0, 4)).toThrow(/there is no such file/);
    expect(() => device.mapFile(folder, 0, 4)).toThrow(/it is a folder/);
  });

  test('memory that is not there is an error', () => {
    using device = wasm({ threads: 1 });
    expect(() => device.empty([2 ** 31], 'f32')).toThrow(/the system gave no memory of 8589934592 bytes/);
  });

  test('memory that was given back is joined', () => {
    const small = instantiate(path, { pages: 512 }); // 32 MiB
    for (const pieces of [3, 7, 480, 5, 1, 64, 1]) {
      const bytes = Math.floor((28 * 2 ** 20) / pieces);
      const ids = Array.from({ length: pieces }, () => small.alloc(bytes));
      expect(ids.every((id) => id > 0)).toBe(true);
      expect(small.alloc(8 * 2 ** 20)).toBe(0);
      expect(small.liveBytes()).toBe(pieces * bytes);
      for (const id of ids.filter((_, i) => i % 2)) small.free(id);
      for (const id of ids.filter((_, i) => i % 2 === 0)) small.free(id);
    }
    expect(small.liveBytes()).toBe(0);
  });

  test('random pieces of memory never overlap', () => {
    const held: { id: number; value: number; bytes: number }[] = [];
    let state = 1;
    const below = (n: number) => (state = (state * 48271) % 2147483647) % n;
    for (let round = 0; round < 3000; round++) {
      if (held.length > 40 || (held.length > 0 && below(3) === 0)) {
        const [{ id, value, bytes }] = held.splice(below(held.length), 1) as [(typeof held)[number]];
        const seen = new Uint8Array(bytes);
        native!.read(id, 0, seen);
        if (!seen.every((byte) => byte === value))
          throw new Error(`a piece of ${bytes} bytes was overwritten`);
        native!.free(id);
      } else {
        const bytes = below(8) === 0 ? below(100_000) : below(700);
        const [id, value] = [native!.alloc(bytes), below(256)];
        const fresh = new Uint8Array(bytes);
        native!.read(id, 0, fresh);
        if (!fresh.every((byte) => byte === 0)) throw new Error(`a new piece of ${bytes} bytes is not zero`);
        native!.write(id, 0, new Uint8Array(bytes).fill(value));
        held.push({ id, value, bytes });
      }
    }
    for (const { id } of held) native!.free(id);
  });

  test('a list that is not understood is refused where it goes wrong', () => {
    const measure = native!.operations.indexOf('measure');
    expect(native!.run(Float64Array.of(measure, 4, 1, 1, 9999, 2), 6, 1, 0)).toBe(4);
    expect(native!.run(Float64Array.of(measure, 40, 1, 1), 4, 1, 0)).toBe(0);
  });
});

/** Sums of losses over 20 steps of AdamW on 64 points in 3 classes. */
async function losses(device: Device): Promise<number[]> {
  const [rows, columns, classes] = [64, 24, 3];
  const numbers = (n: number, f: (i: number) => number) => Float32Array.from({ length: n }, (_, i) => f(i));
  const x = device.tensor(
    numbers(rows * columns, (i) => Math.sin(i * i)),
    [rows, columns],
    'f32',
  );
  const targets = device.tensor(
    numbers(rows, (i) => i % classes),
    [rows],
    'i32',
  );
  const w = device.tensor(
    numbers(classes * columns, (i) => Math.cos(3 * i) / 10),
    [classes, columns],
    'f32',
  );
  const [dw, m, v] = [0, 1, 2].map(() => device.tensor(new Float32Array(w.size), w.shape, 'f32')) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const dx = device.empty(x.shape, 'f32');
  const each = device.empty([rows], 'f32');
  const sums: number[] = [];
  for (let step = 1; step <= 20; step++) {
    device.kernels.fill(dw, 0);
    device.kernels.linearCrossEntropy(each, x, w, targets, { dx, dw });
    device.kernels.adamw(w, dw, m, v, {
      learningRate: 0.1,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      weightDecay: 0.01,
      gradientScale: 1 / rows,
      step,
    });
    sums.push((await each.toFloat32()).reduce((sum, loss) => sum + loss, 0) / rows);
  }
  return sums;
}
