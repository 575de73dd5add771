import { type Device, reference } from '@cria/tensor';
import { cpuAvailability } from '@cria/cpu';
import { describe, expect, test } from 'vitest';
import { deviceChoice, deviceChoices, deviceNames, inspectDevices, openDevice } from '../src/index.ts';

async function sum(device: Device): Promise<number[]> {
  const x = device.tensor([1, 2, 3], [3], 'f32');
  const y = device.empty([3], 'f32');
  device.kernels.add(y, x, x);
  return [...(await y.toFloat32())];
}

describe('every device that is here', async () => {
  const here = (await inspectDevices()).filter(({ available }) => available);

  test.each(here)('$name opens by its name and computes', async ({ name }) => {
    const opened = await openDevice(name, { threads: 1 });
    using device = opened.device;
    expect([opened.name, opened.warning]).toEqual([name, undefined]);
    expect(await sum(device)).toEqual([2, 4, 6]);
  });

  test('auto takes the first of them and says why', async () => {
    const opened = await openDevice();
    using device = opened.device;
    expect(opened.name).toBe(here[0]?.name);
    expect(opened.reason).toContain(here[0]?.reason);
    expect(opened.warning === undefined).toBe(opened.name === 'cpu');
    expect(await sum(device)).toEqual([2, 4, 6]);
  });
});

test('the registry is what there is: reports and names in one order', async () => {
  const reports = await inspectDevices();
  expect(reports.map(({ name }) => name)).toEqual(deviceNames);
  expect(deviceChoices).toEqual(['auto', ...deviceNames]);
  expect(reports.find(({ name }) => name === 'cpu')?.available).toBe(cpuAvailability().available);
  for (const { reason, available } of reports) if (!available) expect(reason).not.toBe('');
});

test('a name that is none is refused with the nearest', () => {
  expect(deviceChoice('cria', '--device', 'cpu')).toBe('cpu');
  expect(() => deviceChoice('cria', '--device', 'refernce')).toThrow(
    `[cria] --device is "refernce". hint: did you mean reference? give auto, ${deviceNames.join(', ')}`,
  );
  expect(() => deviceChoice('cria', '--device', 'toString')).toThrow('is "toString"');
});

test('wrong options are errors, never a reason for another device', async () => {
  for (const choice of deviceChoices)
    await expect(openDevice(choice, { threads: -1 })).rejects.toThrow('threads is -1');
  await expect(openDevice('auto', { thread: 1 } as object)).rejects.toThrow(/thread/);
});

test('abilities are data of the device', async () => {
  using device = (await openDevice('reference')).device;
  expect(device.abilities.storageLimit).toBe(reference().abilities.storageLimit);
  expect(device.abilities.mapFile).toBeUndefined();
});
