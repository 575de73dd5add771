import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type Device, type DType, Tensor, uniforms } from '@cria/tensor';
import { cpu, cpuAvailability } from '../src/index.ts';
import { loadNative } from '../src/native.ts';

const { available, isas } = cpuAvailability();

function random(length: number, stream: number): Float32Array {
  const values = new Float64Array(length);
  uniforms({ seed: 19, stream, start: 0 }, values);
  return Float32Array.from(values, (u) => 2 * u - 1);
}

const bits = async (tensor: Tensor) => [
  ...new Uint8Array(await tensor.device.readBytes(tensor.storage, tensor.offset, tensor.byteLength)),
];

/** A tensor that begins `skip` elements into its storage, so that no vector of it is aligned. */
function shifted(device: Device, values: Float32Array, shape: readonly number[], dtype: DType, skip: number) {
  const bytes = dtype === 'f32' ? 4 : 2;
  const storage = device.allocate((values.length + skip) * bytes);
  const tensor = new Tensor(device, dtype, shape, { storage, offset: skip * bytes });
  tensor.write(values);
  return tensor;
}

for (const isa of isas) {
  describe(`abuse, ${isa}`, () => {
    const device = cpu({ isa, threads: 2 });
    afterAll(() => device[Symbol.dispose]());
    const k = device.kernels;

    test('shapes that do not fit and tokens of another type are refused before anything runs', async () => {
      const [x, w, y] = [
        device.empty([3, 8], 'f32'),
        device.empty([5, 8], 'f32'),
        device.empty([3, 5], 'f32'),
      ];
      const wrong: [string, () => void][] = [
        ['linear', () => k.linear(y, device.empty([3, 9], 'f32'), w)],
        ['linear', () => k.linear(device.empty([4, 5], 'f32'), x, w)],
        ['linearGradInput', () => k.linearGradInput(x, y, device.empty([6, 8], 'f32'))],
        ['linearGradWeight', () => k.linearGradWeight(device.empty([8, 5], 'f32'), y, x)],
        ['rmsNorm', () => k.rmsNorm(x, undefined, x, device.empty([9], 'f32'), { eps: 1e-5 })],
        ['swiglu', () => k.swiglu(x, x, y)],
        ['embedding', () => k.embedding(x, device.empty([4], 'i32'), w)],
        ['slice', () => x.slice(2, 4)],
        ['slice', () => x.slice(-1, 2)],
      ];
      for (const [name, call] of wrong) expect(call, name).toThrow(/^\[/);
      expect(() => device.empty([-1, 3], 'f32')).toThrow(/-1/);
      k.linear(y, x, w);
      expect([...(await y.toFloat32())]).toEqual(Array(15).fill(0));
    });

    test.each(['f32', 'bf16'] as const)(
      'views that nothing but their elements aligns give the bits of aligned ones, %s',
      async (dtype) => {
        const [T, N, C, heads] = [19, 37, 48, 3];
        const [xs, ws, gains] = [random(T * C, 1), random(N * C, 2), random(C, 3)];
        const table = random(T * 16, 4);
        const run = async (skip: number) => {
          const at = (values: Float32Array, shape: readonly number[], as: DType = dtype) =>
            shifted(device, values, shape, as, skip);
          const empty = (shape: readonly number[]) =>
            at(new Float32Array(shape.reduce((a, b) => a * b)), shape);
          const [x, w, gain] = [at(xs, [T, C]), at(ws, [N, C]), at(gains, [C])];
          const [y, normed, gated, turned, dx] = [[T, N], [T, C], [T, C], [T, C], [T, C]].map(empty) as [
            Tensor, Tensor, Tensor, Tensor, Tensor,
          ]; // prettier-ignore
          const dw = at(new Float32Array(N * C), [N, C], 'f32');
          const positions = device.tensor(
            Int32Array.from({ length: T }, (_, t) => t),
            [T],
            'i32',
          );
          k.linear(y, x, w);
          k.linearGradInput(dx, y, w);
          k.linearGradWeight(dw, y, x);
          k.rmsNorm(normed, undefined, x, gain, { eps: 1e-5 });
          k.swiglu(gated, x, normed);
          k.rope(turned, x, positions, at(table, [T, 16], 'f32'), { heads, pairing: 'adjacent' });
          return Promise.all([y, dx, dw, normed, gated, turned].map(bits));
        };
        const aligned = await run(0);
        for (const skip of [1, 3, 7]) expect(await run(skip), `${skip} elements in`).toEqual(aligned);
      },
    );

    test('batches of no rows do nothing, in every kernel', async () => {
      const none = (columns: number, dtype: DType = 'f32') => device.empty([0, columns], dtype);
      const [w, head, gain] = [
        device.empty([5, 8], 'f32'),
        device.empty([5, 8], 'bf16'),
        device.empty([8], 'f32'),
      ];
      const indices = device.empty([0], 'i32');
      const dw = device.tensor(new Float32Array(40).fill(3), [5, 8], 'f32');
      const starts = device.tensor([0], [1], 'i32');
      k.linear(none(5), none(8), w);
      k.linear(none(5), none(8), device.pack(head));
      k.linear(none(7), none(256), device.empty([7, 256], 'q4_0'));
      k.linearGradInput(none(8), none(5), w);
      k.linearGradWeight(dw, none(5), none(8));
      k.rmsNorm(none(8), undefined, none(8), gain, { eps: 1e-5 });
      k.swiglu(none(8), none(8), none(8));
      k.embedding(none(8), indices, w);
      k.embeddingGrad(dw, none(8), indices);
      k.add(none(8), none(8), none(8));
      k.attention(none(8), none(2), none(8), none(8), none(8), starts, { heads: 2, kvHeads: 2 });
      expect([...(await dw.toFloat32())]).toEqual(Array(40).fill(3));
    });

    test.each(['f32', 'bf16', 'f16', 'q8_0', 'q4_k', 'q6_k'] as const)(
      'what is not finite stays in its row, weight %s',
      async (dtype) => {
        const [T, N, C, bad] = [40, 21, 256, 17];
        const xs = random(T * C, 5);
        const blocks = dtype.startsWith('q');
        const w = blocks ? device.empty([N, C], dtype) : device.tensor(random(N * C, 6), [N, C], dtype);
        const result = async (value: number) => {
          const x = xs.slice();
          x[bad * C + 100] = value;
          const y = device.empty([T, N], 'f32');
          k.linear(y, device.tensor(x, [T, C], 'f32'), w);
          return y.toFloat32();
        };
        const finite = await result(0.5);
        for (const value of [NaN, Infinity, -Infinity]) {
          const values = await result(value);
          for (let i = 0; i < T * N; i++) {
            if (Math.floor(i / N) === bad) expect(values[i]).not.toBe(finite[i]);
            else expect(values[i]).toBe(finite[i]);
          }
        }
      },
    );

    test('numbers below 2⁻¹²⁶ are numbers, not zeros', async () => {
      const tiny = Float32Array.from({ length: 33 }, (_, i) => 1e-42 * (i + 1));
      const x = device.tensor(tiny, [33], 'f32');
      const y = device.empty([33], 'f32');
      k.add(y, x, x);
      expect(await y.toFloat32()).toEqual(tiny.map((value) => 2 * value));
      const product = device.empty([1, 2], 'f32');
      k.linear(
        product,
        device.tensor(tiny, [1, 33], 'f32'),
        device.tensor(new Float32Array(66).fill(1), [2, 33], 'f32'),
      );
      const sum = tiny.reduce((a, b) => Math.fround(a + b));
      expect([...(await product.toFloat32())]).toEqual([sum, sum]);
    });
  });
}

describe.skipIf(!available)('abuse of the process', () => {
  test('devices that come and go leave no memory behind', async () => {
    const cycle = async (round: number) => {
      using device = cpu({ background: round % 2 === 1, threads: 1 + (round % 3) });
      const y = device.tensor(new Float32Array(5000), [50, 100], 'f32');
      const w = device.pack(device.empty([100, 100], 'f32'));
      device.kernels.linear(y, device.empty([50, 100], 'f32'), w);
      await y.toFloat32();
    };
    const rounds = Number(process.env.CRIA_ABUSE_ROUNDS ?? 1500);
    for (let round = 0; round < 500; round++) await cycle(round);
    const [live, resident] = [loadNative().native!.liveBytes(), process.memoryUsage.rss()];
    for (let round = 0; round < rounds; round++) await cycle(round);
    expect(loadNative().native!.liveBytes()).toBe(live);
    // A cycle allocates some 500 kB (lists, scratch, tensors): a tenth of it kept would be 75 MB.
    expect((process.memoryUsage.rss() - resident) / 1e6).toBeLessThan(40);
  });

  test('two devices in one process do not disturb each other', async () => {
    const [T, N, C] = [33, 70, 90];
    const [xs, ws] = [random(T * C, 7), random(N * C, 8)];
    const alone = await Promise.all(
      isas.map(async (isa) => {
        using device = cpu({ isa, threads: 1 });
        const y = device.empty([T, N], 'f32');
        device.kernels.linear(y, device.tensor(xs, [T, C], 'f32'), device.tensor(ws, [N, C], 'f32'));
        return y.toFloat32();
      }),
    );
    const devices = isas.flatMap((isa, i) =>
      [1, 3].map((threads) => ({ i, device: cpu({ isa, threads, background: threads === 3 }) })),
    );
    const runs = devices.map(async ({ i, device }) => {
      const [x, w] = [device.tensor(xs, [T, C], 'f32'), device.tensor(ws, [N, C], 'f32')];
      for (let round = 0; round < 20; round++) {
        const y = device.empty([T, N], 'f32');
        device.kernels.linear(y, x, w);
        expect(await y.toFloat32()).toEqual(alone[i]);
        device.free(y.storage);
      }
    });
    await Promise.all(runs);
    for (const { device } of devices) device[Symbol.dispose]();
    // A tensor of one device is no operand of another.
    using first = cpu({ threads: 1 });
    using second = cpu({ threads: 1 });
    const y = first.empty([2, 2], 'f32');
    expect(() => first.kernels.add(y, second.empty([2, 2], 'f32'), y)).toThrow(/^\[/);
  });

  test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)(
    'a process that ends in the middle of a flush, by %s, ends',
    async (how) => {
      const folder = mkdtempSync(join(tmpdir(), 'cria-cpu-'));
      try {
        const file = join(folder, 'weights.bin');
        const before = new Uint8Array(1 << 20).fill(7);
        writeFileSync(file, before);
        const program = fileURLToPath(new URL('support/mid-flush.ts', import.meta.url));
        const loader = fileURLToPath(new URL('../../../scripts/run-source.mjs', import.meta.url));
        const args = ['--conditions=@cria/source', '--import', loader, program, file, how];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        let output = '';
        child.stderr.on('data', (data) => (output += data));
        child.stdout.once('data', () => {
          if (how !== 'exit') child.kill(how);
        });
        const ended = await new Promise((resolve) =>
          child.once('exit', (status, signal) => resolve(signal ?? status)),
        );
        expect(output).toBe('');
        expect(ended).toBe(how === 'exit' ? 3 : how);
        // What kernels wrote into the mapped file stayed in their own memory.
        expect(Buffer.compare(readFileSync(file), before)).toBe(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
