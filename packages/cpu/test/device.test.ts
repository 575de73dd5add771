import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Tensor } from '@cria/tensor';
import { cpu, cpuAvailability, measurePeak } from '../src/index.ts';
import { loadNative } from '../src/native.ts';

const { available, isas } = cpuAvailability();

describe.skipIf(!available)('device', () => {
  test('names itself and refuses options it does not have', () => {
    using device = cpu({ threads: 2, isa: 'baseline' });
    expect(device.description).toBe('baseline, 2 threads');
    expect(() => cpu({ thread: 2 } as object)).toThrow('did you mean "threads"?');
    expect(() => cpu({ threads: 0 })).toThrow('threads is 0');
    expect(() => cpu({ isa: 'avx1024' as 'avx2' })).toThrow(
      /"avx1024" is not available here. hint: this machine has/,
    );
  });

  test('says what is missing, and refuses the fast prefill where it cannot be', () => {
    const { isas, missing } = cpuAvailability();
    for (const { name, reason } of missing) {
      expect(isas).not.toContain(name);
      expect(reason).toMatch(/processor|system|built/);
      expect(() => cpu({ isa: name })).toThrow(`isa "${name}" is not available here: ${reason}`);
    }
    const isa = isas.at(-1)!;
    expect(() => cpu({ isa, fastPrefill: true })).toThrow(
      `fastPrefill needs amx, the instruction set here is ${isa}`,
    );
  });

  test.each([{ background: false }, { background: true }])(
    'profiles what is encoded: %o',
    async (options) => {
      using device = cpu({ threads: 2, ...options });
      const [x, w, y] = [
        device.empty([70, 33], 'f32'),
        device.empty([9, 33], 'f32'),
        device.empty([70, 9], 'f32'),
      ];
      device.kernels.fill(x, 1);
      const times = await device.profile(() => {
        device.kernels.fill(w, 2);
        device.kernels.linear(y, x, w);
        device.kernels.fill(w, 3);
      });
      const seen = times.map(({ operation, shape, dtype, commands }) => [operation, shape, dtype, commands]);
      expect(seen).toContainEqual(['fill', '', 'f32', 2]);
      expect(seen).toContainEqual(['gemm', '70x9x33', 'f32', 1]);
      for (const { seconds } of times) expect(seconds).toBeGreaterThan(0);
      expect(await y.read()).toEqual(new Float32Array(630).fill(66));
      // Without a profile lists run as a whole again; an error of the work ends one too.
      await expect(device.profile(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
      expect(await device.profile(() => undefined)).toEqual([]);
      await device.profile(async () => {
        await expect(device.profile(() => undefined)).rejects.toThrow('a profile is being taken');
      });
    },
  );

  test('refuses dtypes it does not compute in', () => {
    using device = cpu();
    const half = device.empty([2, 2], 'f16');
    const y = device.empty([2, 2], 'f32');
    expect(() => device.kernels.add(half, half, half)).toThrow(
      /computes in f32 and bf16, not with f16\[2, 2\]/,
    );
    const indices = device.empty([2, 2], 'i32');
    expect(() => device.kernels.linear(y, y, indices)).toThrow(
      /i32\[2, 2\] is not a weight this device can use/,
    );
  });

  test('a refused kernel leaves no half command behind', async () => {
    using device = cpu();
    const y = device.tensor([1, 2], [2], 'f32');
    const half = device.empty([2], 'f16');
    expect(() => device.kernels.add(half, half, half)).toThrow();
    device.kernels.add(y, y, y);
    expect([...(await y.toFloat32())]).toEqual([2, 4]);
  });

  test('keeps commands, repeats them while no memory is given back, and keeps nothing that a host wrote', async () => {
    using device = cpu({ threads: 2 });
    const { kernels } = device;
    const [x, y, other] = [1, 2, 3].map((value) => device.tensor([value, value], [2], 'f32')) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    kernels.add(x, x, y); // 3
    const recording = device.record(() => {
      kernels.add(x, x, y); // 5
      kernels.add(x, x, x); // 10
    })!;
    kernels.add(x, x, y); // 12
    recording.repeat(); // 28
    expect([...(await x.toFloat32())]).toEqual([28, 28]);
    recording.repeat();
    recording.repeat();
    expect([...(await x.toFloat32())]).toEqual([124, 124]);
    expect(device.record(() => void x.write([0, 0]))).toBeUndefined();
    expect(device.record(() => void device.flush())).toBeDefined(); // there was nothing to run
    expect(device.record(() => (kernels.add(x, x, y), void device.flush()))).toBeUndefined();
    expect(recording.valid).toBe(true);
    const giving = device.record(() => {
      kernels.add(x, x, y);
      device.free(other.storage);
    });
    expect(giving).toBeUndefined();
    expect(recording.valid).toBe(false);
    // Weights that are packed by the way need scratch, which grows once.
    const [a, w, b] = [
      [3, 64],
      [200, 64],
      [3, 200],
    ].map((shape) => device.empty(shape, 'f32')) as [Tensor, Tensor, Tensor];
    const bf16 = device.empty([200, 64], 'bf16');
    kernels.cast(bf16, w);
    expect(device.record(() => kernels.linear(b, a, bf16))).toBeUndefined();
    expect(device.record(() => kernels.linear(b, a, bf16))?.valid).toBe(true);
  });

  for (const background of [false, true]) {
    test(`writes, kernels and frees take effect in order, background ${background}`, async () => {
      using device = cpu({ background });
      const n = 100_000; // more than the staging memory holds
      const [a, b] = [device.empty([n], 'f32'), device.empty([n], 'f32')];
      const reads = [];
      for (let round = 1; round <= 5; round++) {
        a.write(new Float32Array(n).fill(round));
        const passing = device.tensor(new Float32Array(n).fill(10), [n], 'f32');
        device.kernels.add(b, a, passing);
        device.free(passing.storage);
        a.slice(0, 3).write([0, 0, 0]);
        reads.push(b.slice(0, 2).read(), b.slice(n - 1, n).read());
      }
      expect((await Promise.all(reads)).map((data) => data[0])).toEqual([
        11, 11, 12, 12, 13, 13, 14, 14, 15, 15,
      ]);
      expect([...(await a.slice(0, 4).toFloat32())]).toEqual([0, 0, 0, 5]);
    });
  }

  test('in the background the event loop goes on', async () => {
    using device = cpu({ background: true, threads: 1 });
    const x = device.empty([512, 1024], 'f32');
    const w = device.empty([1024, 1024], 'f32');
    const y = device.empty([512, 1024], 'f32');
    for (let i = 0; i < 10; i++) device.kernels.linear(y, x, w);
    let done = false;
    const running = device.flush().then(() => (done = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    await running;
    expect(done).toBe(true);
  });

  test('a device disposed of while it runs gives all memory back', async () => {
    const { native } = loadNative();
    const before = native!.liveBytes();
    for (let round = 0; round < 200; round++) {
      const device = cpu({ background: round % 2 === 1, threads: 1 + (round % 3) });
      const y = device.tensor(new Float32Array(300), [3, 100], 'f32');
      const w = device.pack(device.empty([100, 100], 'f32'));
      device.kernels.linear(y, device.empty([3, 100], 'f32'), w);
      device.kernels.sumSquares(device.empty([1], 'f32'), y);
      if (round % 4 > 1) void device.flush();
      y.write(new Float32Array(300).fill(1));
      device[Symbol.dispose]();
    }
    await sleep(10);
    expect(native!.liveBytes()).toBe(before);
  });

  test('lists longer than the pool can address are run on the way', async () => {
    using device = cpu({ threads: 2 });
    const y = device.tensor([0], [1], 'f32');
    const one = device.tensor([1], [1], 'f32');
    for (let i = 0; i < 250_000; i++) device.kernels.add(y, y, one);
    expect((await y.toFloat32())[0]).toBe(250_000);
  });

  test('maps part of a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
    try {
      const path = join(folder, 'weights.bin');
      writeFileSync(path, new Uint8Array(Float32Array.from({ length: 3000 }, (_, i) => i).buffer));
      using device = cpu();
      const mapped = device.mapFile(path, 4100, 40);
      const tensor = new Tensor(device, 'f32', [10], { storage: mapped, offset: 0 });
      device.kernels.add(tensor, tensor, tensor);
      expect((await tensor.toFloat32())[1]).toBe(2052);
      expect(() => device.mapFile(path, 0, 12_001)).toThrow(/it is shorter/);
      expect(() => device.mapFile(join(folder, 'none'), 0, 1)).toThrow(/there is no such file/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([false, true])(
    'reads part of a file, in pieces, after what was encoded (background %s)',
    async (background) => {
      const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
      try {
        const path = join(folder, 'weights.bin');
        const size = (9 << 20) + 12; // three pieces, the last one short
        const bytes = new Uint8Array(size);
        for (let i = 0; i < size; i++) bytes[i] = (i * 2654435761) >>> 24;
        writeFileSync(path, bytes);
        using device = cpu({ threads: 3, background });
        const storage = device.allocate(size);
        device.writeBytes(storage, 0, new Uint8Array(size).fill(7));
        await device.readFile!(path, 5, size - 8, storage, 2);
        const expected = new Uint8Array(size).fill(7);
        expected.set(bytes.subarray(5, size - 3), 2);
        expect(Buffer.compare(new Uint8Array(await device.readBytes(storage, 0, size)), expected)).toBe(0);
        await expect(device.readFile!(path, 1, size, storage, 0)).rejects.toThrow(/it is shorter/);
        await expect(device.readFile!(folder, 0, 8, storage, 0)).rejects.toThrow(/it is a folder/);
        await expect(device.readFile!(join(folder, 'none'), 0, 8, storage, 0)).rejects.toThrow(
          /there is no such/,
        );
        await expect(device.readFile!(path, 0, size, storage, 1)).rejects.toThrow(
          /past the end of a storage/,
        );
        await expect(device.readFile!(path, -1, 8, storage, 0)).rejects.toThrow(
          /-1 is not a number of bytes/,
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  test('threads sleep when there is nothing to do', async () => {
    using device = cpu({ threads: 3 });
    const y = device.empty([1 << 18], 'f32');
    for (let i = 0; i < 10; i++) device.kernels.add(y, y, y);
    await device.flush();
    await sleep(20);
    const { user, system } = process.cpuUsage();
    await sleep(300);
    const used = process.cpuUsage({ user, system });
    // Two workers that spun would take 600 ms.
    expect((used.user + used.system) / 1000).toBeLessThan(150);
  });

  test('the register peak is measured for every instruction set', () => {
    for (const isa of isas) expect(measurePeak(1, isa)).toBeGreaterThan(0.1);
  });
});
