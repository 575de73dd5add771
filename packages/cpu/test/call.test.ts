import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ForeignCall, Tensor } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import { loadNativeCalls, nativeCallsFile } from '../../../scripts/support/native-calls.ts';
import { cpu, cpuAvailability } from '../src/index.ts';
import { loadNative } from '../src/native.ts';

/* Another engine's work in the order of commands: natively in the list, or in JavaScript between two lists. */

const file = cpuAvailability().available ? nativeCallsFile() : undefined;
const noHost = () => expect.fail('the native form is there');

describe.skipIf(file === undefined)('device.call', () => {
  const calls = loadNativeCalls(file!);

  const scale = ({ storage, offset, size }: Tensor, factor: number): ForeignCall => ({
    name: 'scale',
    native: { address: calls.scale, context: 0, numbers: [storage, offset, size, factor] },
    host: noHost,
  });
  const answer = (status: number): ForeignCall => ({
    name: `answer ${status}`,
    native: { address: calls.answer, context: 0, numbers: [status] },
    host: noHost,
  });

  describe.each([{ background: false }, { background: true }])('%o', (options) => {
    const open = () => cpu({ threads: 2, ...options });

    test('comes between the commands around it', async () => {
      using device = open();
      const x = device.tensor([1, 2, 3], [3], 'f32');
      device.kernels.add(x, x, x);
      device.call(scale(x, 10));
      device.kernels.add(x, x, x);
      device.call(scale(x, 0.5));
      expect([...(await x.toFloat32())]).toEqual([20, 40, 60]);
    });

    test('that fails stops its list there, and the next list works', async () => {
      using device = open();
      const [x, gone] = [device.tensor([1], [1], 'f32'), device.empty([1 << 16], 'f32')];
      await device.flush();
      const live = loadNative().native!.liveBytes();
      device.kernels.add(x, x, x);
      device.call(scale(x, 3));
      device.call(answer(77));
      device.call(scale(x, 1000));
      device.free(gone.storage);
      await expect(device.flush()).rejects.toThrow(
        '[cpu.flush] the call "answer 77" failed with status 77. hint: what was encoded behind it was not run',
      );
      expect([...(await x.toFloat32())]).toEqual([6]);
      // What was given back behind the call is given back.
      expect(loadNative().native!.liveBytes()).toBeLessThanOrEqual(live - gone.byteLength);
      device.kernels.add(x, x, x);
      device.call(answer(0));
      expect([...(await x.toFloat32())]).toEqual([12]);
      for (const odd of [-1, 65535, 1 << 20]) {
        device.call(answer(odd));
        await expect(x.read()).rejects.toThrow(`"answer ${odd}" failed with status 65535`);
      }
    });

    test('that fails in a list that waits for another fails its own flush alone', async () => {
      using device = open();
      const x = device.tensor([1], [1], 'f32');
      device.call(answer(3));
      const first = device.flush();
      device.call(scale(x, 5));
      const second = device.flush();
      await expect(first).rejects.toThrow('"answer 3" failed with status 3');
      await second;
      expect([...(await x.toFloat32())]).toEqual([5]);
    });

    test('is recorded, and named where a repetition fails', async () => {
      using device = open();
      const x = device.tensor([1], [1], 'f32');
      await device.flush();
      const recording = device.record(() => {
        device.kernels.add(x, x, x);
        device.call(scale(x, 3));
      })!;
      device.call(scale(x, 1));
      recording.repeat();
      recording.repeat();
      expect([...(await x.toFloat32())]).toEqual([6 ** 3]);
      const failing = device.record(() => device.call(answer(9)))!;
      await expect(device.flush()).rejects.toThrow('answer 9');
      device.call(scale(x, 1));
      failing.repeat();
      await expect(device.flush()).rejects.toThrow('the call "answer 9" failed with status 9');
    });

    test('in JavaScript runs what was encoded before, and throws where it is', async () => {
      using device = open();
      const x = device.tensor([1, 2], [2], 'f32');
      await device.flush();
      const host = (work: (x: Float32Array) => void): ForeignCall => ({
        name: 'host',
        host: ({ read, write }) => {
          const values = read(x.storage, x.offset, x.byteLength);
          work(new Float32Array(values.buffer));
          write(x.storage, x.offset, values);
        },
      });
      const recording = device.record(() => {
        device.kernels.add(x, x, x);
        device.call(host((values) => values.forEach((value, i) => (values[i] = 10 * value + i))));
      });
      expect(recording).toBeUndefined();
      device.kernels.add(x, x, x);
      expect([...(await x.toFloat32())]).toEqual([40, 82]);
      expect(() =>
        device.call(
          host(() => {
            throw new Error('the other rank is gone');
          }),
        ),
      ).toThrow('the other rank is gone');
      expect([...(await x.toFloat32())]).toEqual([40, 82]);
    });

    test('is refused without a function, or with more numbers than a command has room for', async () => {
      using device = open();
      const call = (address: number, numbers: number) => () =>
        device.call({
          name: 'odd',
          native: { address, context: 0, numbers: Array<number>(numbers).fill(0) },
          host: noHost,
        });
      expect(call(0, 1)).toThrow('[cpu.call] "odd" has 0 as the address of its function.');
      expect(call(calls.answer, 49)).toThrow('"odd" has 49 numbers. hint: at most 48');
      call(calls.answer, 48)();
      await device.flush();
    });
  });

  test('profiles count calls, and say which failed', async () => {
    using device = cpu({ threads: 2 });
    const x = device.tensor([1], [1], 'f32');
    const times = await device.profile(() => {
      device.kernels.add(x, x, x);
      device.call(scale(x, 2));
    });
    expect(times.map(({ operation }) => operation).sort()).toEqual(['add', 'call']);
    const failing = device.profile(() => {
      device.kernels.add(x, x, x);
      device.call(answer(8));
    });
    await expect(failing).rejects.toThrow('the call "answer 8" failed with status 8');
    expect([...(await x.toFloat32())]).toEqual([8]);
  });

  test('ranks in workers run side by side, each on a pool of its own, over storages of both', () => {
    const loader = fileURLToPath(new URL('../../../scripts/run-source.mjs', import.meta.url));
    const program = fileURLToPath(new URL('support/ranks.ts', import.meta.url));
    const args = ['--conditions=@cria/source', '--import', loader, program];
    const ran = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 50_000 });
    expect([ran.stdout.trim(), ran.stderr, ran.status]).toEqual(['all equal', '', 0]);
  });
});
