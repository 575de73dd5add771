import { expect, test } from 'vitest';
import { type Device, type Kernels, ReferenceDevice, type StorageId, type Tensor } from '@cria/tensor';
import { conformanceFailures } from '@cria/tensor/conformance';
import { type Break, brokenKernels } from './support/broken-kernels.ts';

class Mutant extends ReferenceDevice {
  #change: Break | undefined;

  constructor(change?: Break) {
    super();
    this.#change = change;
  }

  protected override createKernels(): Kernels {
    const raw = super.createKernels();
    return { ...raw, ...this.#change?.(raw, this) };
  }
}

test.each(brokenKernels)('is caught: %s', async (_, only, change, dtype = 'f32') => {
  const failures = await conformanceFailures(() => new Mutant(change), { dtypes: [dtype], only });
  expect(failures).not.toEqual([]);
});

test('a wrong number of threads is caught', async () => {
  const create = ({ threads = 1 } = {}) => new Mutant(threads === 1 ? undefined : brokenKernels[2][2]);
  const failures = await conformanceFailures(create, { dtypes: ['f32'], threads: [2], only: /^threads/ });
  expect(failures).toEqual([expect.stringMatching(/linear f32 .*bit for bit/)]);
});

/** Devices whose memory misbehaves. */
const devices: [string, RegExp, () => Device][] = [
  [
    'writes that wait until something is read',
    /^commands/,
    () =>
      new (class extends ReferenceDevice {
        #late: (() => void)[] = [];
        protected override writeStorage(storage: StorageId, offset: number, data: Uint8Array): void {
          const copy = data.slice();
          this.#late.push(() => super.writeStorage(storage, offset, copy));
        }
        protected override async readStorage(
          storage: StorageId,
          offset: number,
          bytes: number,
        ): Promise<ArrayBuffer> {
          for (const write of this.#late.splice(0)) write();
          return super.readStorage(storage, offset, bytes);
        }
      })(),
  ],
  [
    'reads that give what was read before',
    /^commands/,
    () =>
      new (class extends ReferenceDevice {
        #shown = new Map<string, ArrayBuffer>();
        protected override async readStorage(
          storage: StorageId,
          offset: number,
          bytes: number,
        ): Promise<ArrayBuffer> {
          const key = `${storage} ${offset}`;
          const shown = this.#shown.get(key) ?? (await super.readStorage(storage, offset, bytes));
          this.#shown.set(key, shown);
          return shown.slice(0, bytes);
        }
      })(),
  ],
  [
    'new memory that is not zero',
    /^commands/,
    () =>
      new (class extends ReferenceDevice {
        protected override allocateStorage(bytes: number): StorageId {
          const storage = super.allocateStorage(bytes);
          super.writeStorage(storage, 0, new Uint8Array(bytes).fill(1));
          return storage;
        }
      })(),
  ],
  [
    'packing that gives the same memory',
    /^packing: .* f32, f32/,
    () =>
      new (class extends ReferenceDevice {
        override pack(weight: Tensor): Tensor {
          return weight;
        }
      })(),
  ],
  [
    'packing that changes the weight',
    /^packing: .* f32, f32/,
    () =>
      new (class extends ReferenceDevice {
        override pack(weight: Tensor): Tensor {
          const copy = super.pack(weight);
          this.kernels.fill(weight.slice(0, 1), 0);
          return copy;
        }
      })(),
  ],
];

test.each(devices)('is caught: %s', async (_, only, create) => {
  expect(await conformanceFailures(create, { dtypes: ['f32'], only })).not.toEqual([]);
});

test('no device is a failure, not a pass', async () => {
  expect(await conformanceFailures(() => undefined)).toEqual(['no device could be made']);
  await expect(conformanceFailures(() => new Mutant(), { weight: [] } as object)).rejects.toThrow(
    'did you mean "weights"?',
  );
});
