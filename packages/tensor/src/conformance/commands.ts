import type { Device } from '../device.ts';
import { openStep } from '../open-step.ts';
import { reference } from '../reference/index.ts';
import type { Tensor } from '../tensor.ts';
import type { Check, Subject } from './checks.ts';

/**
 * Kernels, writes and frees take effect in the order of the calls; reads wait; memory is counted,
 * zeroed and used again.
 */
export function commandChecks({ device }: Subject): Check[] {
  const checks: Record<string, (device: Device) => Promise<void>> = {
    'a write after a kernel does not reach it': writeAfterKernel,
    'memory freed after a kernel is not taken from it': freeAfterKernel,
    'a thousand dependent commands run in order': dependentCommands,
    'data may change as soon as a write returns': dataMayChange,
    'reads that wait together each get their own': readsTogether,
    'new memory is zero, and counted': zeroedMemory,
    'parts of a storage': partsOfStorage,
    'an arena gives released memory to the next tensor': arenaReuse,
    'a second step takes the memory of the first': secondStep,
    'tensors of another device are refused': otherDevice,
    'wrong storages and ranges are refused': wrongStorage,
  };
  return Object.entries(checks).map(([name, run]) => ({
    group: 'commands and memory',
    name,
    run: () => run(device),
  }));
}

async function writeAfterKernel(device: Device): Promise<void> {
  const [x, y] = tensors(device, 2);
  x.write(filled(1));
  device.kernels.add(y, x, x);
  x.write(filled(5));
  await expectAll(y, 2);
  await expectAll(x, 5);
  freeAll(device, x, y);
}

async function freeAfterKernel(device: Device): Promise<void> {
  const [y] = tensors(device, 1);
  for (let round = 1; round <= 20; round++) {
    const x = device.tensor(filled(round), [SIZE], 'f32');
    device.kernels.add(y, y, x);
    device.free(x.storage);
    // Likely the same memory.
    const other = device.tensor(filled(1e6), [SIZE], 'f32');
    device.free(other.storage);
  }
  await expectAll(y, 210);
  freeAll(device, y);
}

async function dependentCommands(device: Device): Promise<void> {
  const [a, b] = tensors(device, 2);
  device.kernels.fill(a, 1);
  device.kernels.fill(b, 0);
  for (let round = 0; round < 500; round++) {
    device.kernels.add(b, b, a);
    if (round % 100 === 99) await device.flush();
    device.kernels.cast(a, b);
    device.kernels.fill(a, 1);
  }
  await expectAll(b, 500);
  freeAll(device, a, b);
}

async function dataMayChange(device: Device): Promise<void> {
  const [x] = tensors(device, 1);
  const data = filled(3);
  x.write(data);
  data.fill(9);
  await expectAll(x, 3);
  freeAll(device, x);
}

async function readsTogether(device: Device): Promise<void> {
  const [x, y] = tensors(device, 2);
  device.kernels.fill(x, 1);
  const first = x.read();
  device.kernels.fill(x, 2);
  device.kernels.add(y, x, x);
  const [a, b, c] = await Promise.all([first, y.read(), x.read()]);
  // The first read waits for what was encoded before it; what came later may have run too.
  if (a[0] !== 1 && a[0] !== 2) throw new Error(`a read between two fills gives ${a[0]}`);
  if (b[SIZE - 1] !== 4 || c[0] !== 2) throw new Error(`reads give ${b[SIZE - 1]} and ${c[0]}, not 4 and 2`);
  freeAll(device, x, y);
}

async function zeroedMemory(device: Device): Promise<void> {
  const before = device.memory.allocated;
  for (let round = 0; round < 3; round++) {
    const x = device.empty([SIZE], 'f32');
    await expectAll(x, 0);
    x.write(filled(7));
    if (device.memory.allocated !== before + 4 * SIZE)
      throw new Error(`${device.memory.allocated} bytes are counted for ${4 * SIZE}`);
    freeAll(device, x);
  }
  if (device.memory.allocated !== before) throw new Error('freed memory is still counted');
  if (device.memory.peak < before + 4 * SIZE) throw new Error('the peak is below what was allocated');
}

async function partsOfStorage(device: Device): Promise<void> {
  const storage = device.allocate(100);
  device.writeBytes(storage, 13, Uint8Array.of(1, 2, 3));
  const bytes = new Uint8Array(await device.readBytes(storage, 12, 5));
  if (bytes.join() !== '0,1,2,3,0') throw new Error(`bytes 12 to 17 are ${bytes.join()}`);
  const copy = await device.readBytes(storage, 13, 3);
  new Uint8Array(copy).fill(9);
  if (new Uint8Array(await device.readBytes(storage, 13, 1))[0] !== 1)
    throw new Error('a read is not a copy');
  device.free(storage);
}

async function arenaReuse(device: Device): Promise<void> {
  using step = openStep(device, { rows: 1 });
  const sum = step.empty([SIZE]);
  device.kernels.fill(sum, 0);
  let last: Tensor | undefined;
  for (let round = 1; round <= 10; round++) {
    const x = step.empty([SIZE]);
    if (last && (x.storage !== last.storage || x.offset !== last.offset))
      throw new Error('released memory was not used again');
    device.kernels.fill(x, round);
    device.kernels.add(sum, sum, x);
    step.release(x);
    last = x;
  }
  await expectAll(sum, 55);
}

async function secondStep(device: Device): Promise<void> {
  const pass = async () => {
    using step = openStep(device, { rows: 1 });
    const held = Array.from({ length: 8 }, () => step.empty([SIZE]));
    held.forEach((tensor, i) => device.kernels.fill(tensor, i));
    for (let i = 1; i < held.length; i++) device.kernels.add(held[0], held[0], held[i]);
    await expectAll(held[0], 28);
  };
  await pass();
  await pass();
  const before = device.memory.allocated;
  await pass();
  if (device.memory.allocated !== before)
    throw new Error(`the third step took ${device.memory.allocated - before} bytes more`);
}

async function otherDevice(device: Device): Promise<void> {
  using stranger = reference();
  const x = stranger.empty([2], 'f32');
  const y = device.empty([2], 'f32');
  expectRefused(() => device.kernels.add(y, y, x), 'b lies on device');
  freeAll(device, y);
}

async function wrongStorage(device: Device): Promise<void> {
  const storage = device.allocate(8);
  expectRefused(() => device.writeBytes(storage, 4, new Uint8Array(5)), 'bytes 4 to 9');
  device.free(storage);
  expectRefused(() => device.free(storage), `storage ${storage} is not allocated`);
  expectRefused(() => device.allocate(-1), '-1 is not a number of bytes');
}

const SIZE = 10_000;

function filled(value: number): Float32Array {
  return new Float32Array(SIZE).fill(value);
}

function tensors(device: Device, count: number): Tensor[] {
  return Array.from({ length: count }, () => device.empty([SIZE], 'f32'));
}

function freeAll(device: Device, ...all: Tensor[]): void {
  for (const tensor of all) device.free(tensor.storage);
}

async function expectAll(tensor: Tensor, expected: number): Promise<void> {
  const values = await tensor.read();
  const i = values.findIndex((value) => value !== expected);
  if (i >= 0) throw new Error(`element ${i} is ${values[i]}, not ${expected}`);
}

function expectRefused(act: () => void, message: string): void {
  try {
    act();
  } catch (error) {
    if (error instanceof Error && error.message.includes(message)) return;
    throw error;
  }
  throw new Error(`nothing was refused where "${message}" was expected`);
}
