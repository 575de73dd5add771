import { expect, test, vi } from 'vitest';
import {
  checkOptions,
  CriaError,
  type Device,
  nearestName,
  reference,
  ReferenceDevice,
  type Tensor,
} from '@cria/tensor';

const device = reference();
const { kernels } = device;
const f32 = (...shape: number[]) => device.empty(shape, 'f32');
const f64 = (...shape: number[]) => device.empty(shape, 'f64');
const bf16 = (...shape: number[]) => device.empty(shape, 'bf16');
const i32 = (...shape: number[]) => device.empty(shape, 'i32');
const packed = (w: Tensor) =>
  new (w.constructor as typeof Tensor)(w.device, w.dtype, w.shape, {
    ...w,
    storage: w.storage,
    offset: 0,
    layout: 'tiles',
  });

/** Each kernel with arguments that do not fit, and what the message must say. */
const wrong: [string, () => void][] = [
  [
    '[linear] y f32[2, 3] must have 4 columns. hint: the arguments are y f32[2, 3], x f32[2, 5], w f32[4, 5]',
    () => kernels.linear(f32(2, 3), f32(2, 5), f32(4, 5)),
  ],
  ['[linear] w f32[3, 4] must have 5 columns', () => kernels.linear(f32(2, 3), f32(2, 5), f32(3, 4))],
  ['[linear] y bf16[2, 3] must have the dtype of x', () => kernels.linear(bf16(2, 3), f32(2, 5), f32(3, 5))],
  [
    '[linear] residual f32[3] must have shape [2, 3]',
    () => kernels.linear(f32(2, 3), f32(2, 5), f32(3, 5), { residual: f32(3) }),
  ],
  [
    '[linear] x is packed: f32[2, 5] (tiles). hint: only weights of linear may be packed',
    () => kernels.linear(f32(2, 3), packed(f32(2, 5)), f32(3, 5)),
  ],
  [
    '[linearGradInput] dx f32[3, 5] must have 2 rows',
    () => kernels.linearGradInput(f32(3, 5), f32(2, 3), f32(3, 5)),
  ],
  [
    '[linearGradWeight] dw bf16[3, 5] must be f32',
    () => kernels.linearGradWeight(bf16(3, 5), bf16(2, 3), bf16(2, 5)),
  ],
  [
    '[linearGradWeight] dw f32[3, 5] must be f64',
    () => kernels.linearGradWeight(f32(3, 5), f64(2, 3), f64(2, 5)),
  ],
  ['[embedding] tokens f32[2] must be i32', () => kernels.embedding(f32(2, 5), f32(2), f32(7, 5))],
  ['[embedding] y f32[2, 5] must have 6 columns', () => kernels.embedding(f32(2, 5), i32(2), f32(7, 6))],
  [
    '[embeddingGrad] dy f32[2, 5] must have 3 rows',
    () => kernels.embeddingGrad(f32(7, 5), f32(2, 5), i32(3)),
  ],
  [
    '[rmsNorm] gain f32[4] must have 5 elements',
    () => kernels.rmsNorm(f32(2, 5), undefined, f32(2, 5), f32(4), { eps: 1 }),
  ],
  [
    '[rmsNorm] rstd bf16[2] must be f32',
    () => kernels.rmsNorm(f32(2, 5), bf16(2), f32(2, 5), f32(5), { eps: 1 }),
  ],
  [
    '[rmsNormGrad] dgain f32[4] must have 5 elements',
    () => kernels.rmsNormGrad(f32(2, 5), f32(4), f32(2, 5), f32(2, 5), f32(5), f32(2)),
  ],
  [
    '[rope] 12 columns do not divide into 5 heads',
    () => kernels.rope(f32(2, 12), f32(2, 12), i32(2), f32(9, 4), { heads: 5, pairing: 'half' }),
  ],
  [
    '[rope] table f32[9, 6] must have 4 columns',
    () => kernels.rope(f32(2, 12), f32(2, 12), i32(2), f32(9, 6), { heads: 3, pairing: 'half' }),
  ],
  [
    '[rope] 3 columns do not divide into 2 pairs',
    () => kernels.rope(f32(2, 9), f32(2, 9), i32(2), f32(9, 3), { heads: 3, pairing: 'half' }),
  ],
  ['[swiglu] up f32[2, 4] must have shape [2, 5]', () => kernels.swiglu(f32(2, 5), f32(2, 5), f32(2, 4))],
  [
    '[swigluGrad] dup f64[2, 5] must have the dtype of dy',
    () => kernels.swigluGrad(f32(2, 5), f64(2, 5), f32(2, 5), f32(2, 5), f32(2, 5)),
  ],
  [
    '[attention] 4 heads do not divide into 3 kv heads',
    () =>
      kernels.attention(f32(2, 8), f32(2, 4), f32(2, 8), f32(2, 6), f32(2, 6), i32(2), {
        heads: 4,
        kvHeads: 3,
      }),
  ],
  [
    '[attention] window is 0',
    () =>
      kernels.attention(f32(2, 8), f32(2, 4), f32(2, 8), f32(2, 4), f32(2, 4), i32(2), {
        heads: 4,
        kvHeads: 2,
        window: 0,
      }),
  ],
  ['[addBias] bias f32[4] must have 5 elements', () => kernels.addBias(f32(2, 5), f32(4))],
  ['[biasGrad] dbias f32[2, 5] must have 5 elements', () => kernels.biasGrad(f32(2, 5), f32(2, 5))],
  [
    '[attention] lse f32[2] must have shape [2, 4]',
    () =>
      kernels.attention(f32(2, 8), f32(2), f32(2, 8), f32(2, 4), f32(2, 4), i32(2), { heads: 4, kvHeads: 2 }),
  ],
  [
    '[attention] k f32[2, 6] must have 4 columns',
    () =>
      kernels.attention(f32(2, 8), f32(2, 4), f32(2, 8), f32(2, 6), f32(2, 6), i32(2), {
        heads: 4,
        kvHeads: 2,
      }),
  ],
  [
    '[cacheWrite] slots i32[3] must have 2 elements',
    () => kernels.cacheWrite(f32(4, 2, 6), f32(4, 2, 6), f32(2, 6), f32(2, 6), i32(3)),
  ],
  [
    '[pagedAttention] queryStarts i32[2] must have 3 elements',
    () =>
      kernels.pagedAttention(f32(2, 8), f32(2, 8), f32(3, 2, 8), f32(3, 2, 8), i32(2, 2), i32(2), i32(2), {
        heads: 2,
        kvHeads: 2,
      }),
  ],
  [
    '[linearCrossEntropy] losses f32[3] must have 2 elements',
    () => kernels.linearCrossEntropy(f32(3), f32(2, 5), f32(7, 5), i32(2)),
  ],
  [
    '[linearCrossEntropy] dw f32[5, 7] must have shape [7, 5]',
    () => kernels.linearCrossEntropy(f32(2), f32(2, 5), f32(7, 5), i32(2), { dx: f32(2, 5), dw: f32(5, 7) }),
  ],
  ['[gatherRows] rows i32[3] must have 2 elements', () => kernels.gatherRows(f32(2, 5), f32(4, 5), i32(3))],
  ['[add] b f32[4] must have 3 elements', () => kernels.add(f32(3), f32(3), f32(4))],
  ['[cast] y i32[3] must have a float dtype', () => kernels.cast(i32(3), f32(3))],
  ['[sumSquares] out f32[2] must have 1 elements', () => kernels.sumSquares(f32(2), f32(3))],
  ['[adamw] value bf16[3] must be f32', () => kernels.adamw(bf16(3), f32(3), f32(3), f32(3), {} as never)],
];

test.each(wrong)('%s', (message, act) => {
  expect(act).toThrow(message);
  expect(act).toThrow(CriaError);
});

test('tensors refuse what does not fit', async () => {
  const x = f32(2, 3);
  expect(() => x.reshape(4)).toThrow('[tensor.reshape] cannot view f32[2, 3] as [4].');
  expect(() => x.slice(1, 3)).toThrow('[tensor.slice] [1, 3) is not a range of the first axis of f32[2, 3].');
  expect(() => x.write([1])).toThrow('[tensor.write] 1 elements do not fill f32[2, 3].');
  expect(() => x.write(new Uint8Array(3))).toThrow('[tensor.write] 3 bytes do not fill f32[2, 3].');
  expect(() => device.empty([2, 33], 'q8_0')).toThrow(
    '[reference.empty] rows of 33 do not hold whole blocks of q8_0. hint: make the last axis a multiple of 32',
  );
  expect(() => device.empty([1.5], 'f32')).toThrow('[reference.empty] [1.5] is not a shape.');
  const q = device.empty([64], 'q8_0');
  expect(() => q.slice(0, 16)).toThrow(
    '[tensor.slice] [0, 16) of q8_0[64] cuts through a block. hint: use multiples of 32',
  );
  expect(() => q.write(new Float32Array(64))).toThrow('[tensor.write] q8_0[64] holds quantised blocks.');
  await expect(q.toFloat32()).rejects.toThrow('[tensor.toFloat32] q8_0[64] holds quantised blocks.');
  expect(() => packed(x).slice(0, 1)).toThrow('[tensor.slice] f32[2, 3] (tiles) is packed');
  await expect(packed(x).read()).rejects.toThrow('[tensor.read] f32[2, 3] (tiles) is packed');
});

test('a device that was disposed of allocates nothing', () => {
  const gone: Device = reference();
  gone.empty([4], 'f32');
  gone[Symbol.dispose]();
  gone[Symbol.dispose]();
  expect(gone.memory.allocated).toBe(0);
  expect(() => gone.allocate(4)).toThrow('[reference.allocate] the device was disposed of.');
  const ends = vi.fn<() => void>();
  const counted = new (class extends ReferenceDevice {
    protected override disposeDevice(): void {
      ends();
      super.disposeDevice();
    }
  })();
  counted[Symbol.dispose]();
  counted[Symbol.dispose]();
  expect(ends).toHaveBeenCalledTimes(1);
  expect(() => reference({ threads: 2 } as never)).toThrow(
    '[reference] unknown option "threads". hint: it has no options',
  );
});

test('names that were meant', () => {
  expect(nearestName('recompte', ['rows', 'recompute'])).toBe('recompute');
  expect(nearestName('zzz', ['rows', 'recompute'])).toBeUndefined();
  expect(() => checkOptions('op', { nothing: 1 }, ['rows', 'dtype'])).toThrow(
    '[op] unknown option "nothing". hint: known options are rows, dtype',
  );
  const error = new CriaError('op', 'what.', 'do.', { cause: 1 });
  expect([error.message, error.name, error.op, error.hint, error.cause]).toEqual([
    '[op] what. hint: do.',
    'CriaError',
    'op',
    'do.',
    1,
  ]);
});
