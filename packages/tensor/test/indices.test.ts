import { expect, test } from 'vitest';
import { openStep, reference, Tensor } from '@cria/tensor';

/** Indices that lead outside of memory are refused before a device follows them, however they were written. */
const device = reference();
const { kernels } = device;
const f32 = (...shape: number[]) => device.empty(shape, 'f32');
const ints = (...values: number[]) => device.tensor(values, [values.length], 'i32');
const heads = { heads: 2, kvHeads: 2 };
const cache = () => f32(3, 4, 8);
const paged = (table: Tensor, starts: Tensor, lengths: Tensor) =>
  kernels.pagedAttention(f32(5, 8), f32(5, 8), cache(), cache(), table, starts, lengths, heads);

const wrong: [string, () => void][] = [
  [
    '[embedding] tokens i32[3] holds 7, outside 0 to 6. hint: the arguments are',
    () => kernels.embedding(f32(3, 5), ints(0, 7, 2), f32(7, 5)),
  ],
  [
    '[embedding] tokens i32[3] holds -1, outside 0 to 6',
    () => kernels.embedding(f32(3, 5), ints(0, 6, -1), f32(7, 5)),
  ],
  [
    '[embedding] tokens i32[1] holds -100, outside',
    () => kernels.embedding(f32(1, 5), ints(-100), f32(7, 5)),
  ],
  [
    '[embeddingGrad] tokens i32[2] holds 100000000, outside 0 to 6',
    () => kernels.embeddingGrad(f32(7, 5), f32(2, 5), ints(1e8, 3)),
  ],
  [
    '[linearCrossEntropy] targets i32[2] holds 7, outside 0 to 6',
    () => kernels.linearCrossEntropy(f32(2), f32(2, 5), f32(7, 5), ints(7, -100)),
  ],
  [
    '[linearCrossEntropy] targets i32[2] holds -2, outside 0 to 6',
    () => kernels.linearCrossEntropy(f32(2), f32(2, 5), f32(7, 5), ints(-2, -100)),
  ],
  [
    '[embedding] tokens i32[2] holds 20, outside 0 to 19',
    () => kernels.embedding(f32(2, 5), ints(3, 20), f32(7, 5), { first: 9, of: 20 }),
  ],
  [
    '[embedding] tokens i32[1] holds -1, outside 0 to 19',
    () => kernels.embedding(f32(1, 5), ints(-1), f32(7, 5), { first: 9, of: 20 }),
  ],
  [
    '[embedding] 7 rows from id 14 on are no part of a vocabulary of 20',
    () => kernels.embedding(f32(1, 5), ints(3), f32(7, 5), { first: 14, of: 20 }),
  ],
  [
    '[embeddingGrad] 7 rows from id -1 on are no part',
    () => kernels.embeddingGrad(f32(7, 5), f32(1, 5), ints(3), { first: -1, of: 20 }),
  ],
  [
    '[linearSoftmaxShare] targets i32[2] holds 20, outside 0 to 19',
    () => kernels.linearSoftmaxShare(f32(2, 3), f32(2, 5), f32(7, 5), ints(20, -100), { first: 9, of: 20 }),
  ],
  [
    '[linearSoftmaxShare] share f32[2, 2] must have shape [2, 3]',
    () => kernels.linearSoftmaxShare(f32(2, 2), f32(2, 5), f32(7, 5), ints(2, -100), { first: 9, of: 20 }),
  ],
  [
    '[linearCrossEntropyShare] shares f32[3, 2] must have shape [3, 2, 3]',
    () =>
      kernels.linearCrossEntropyShare(f32(2), f32(3, 2), f32(2, 5), f32(7, 5), ints(2, -100), {
        first: 9,
        of: 20,
      }),
  ],
  [
    '[linearCrossEntropyShare] targets i32[2] holds -2, outside 0 to 19',
    () =>
      kernels.linearCrossEntropyShare(f32(2), f32(3, 2, 3), f32(2, 5), f32(7, 5), ints(-2, -100), {
        first: 9,
        of: 20,
      }),
  ],
  [
    '[gatherRows] rows i32[2] holds 4, outside 0 to 3',
    () => kernels.gatherRows(f32(2, 5), f32(4, 5), ints(1, 4)),
  ],
  [
    '[rope] positions i32[2] holds 9, outside 0 to 8',
    () => kernels.rope(f32(2, 8), f32(2, 8), ints(8, 9), f32(9, 4), { heads: 2, pairing: 'half' }),
  ],
  [
    '[cacheWrite] slots i32[2] holds 12, outside 0 to 11',
    () => kernels.cacheWrite(cache(), cache(), f32(2, 8), f32(2, 8), ints(-1, 12)),
  ],
  [
    '[pagedAttention] blockTable i32[1, 2] holds 3, outside 0 to 2',
    () => paged(ints(0, 3).reshape(1, 2), ints(0, 5), ints(6)),
  ],
  [
    '[pagedAttention] blockTable i32[1, 2] holds -1, outside 0 to 2',
    () => paged(ints(0, -1).reshape(1, 2), ints(0, 5), ints(6)),
  ],
  [
    '[pagedAttention] lengths i32[1] holds 9, outside 0 to 8',
    () => paged(ints(0, 2).reshape(1, 2), ints(0, 5), ints(9)),
  ],
  [
    '[pagedAttention] queryStarts i32[2] must ascend from 0 to 5; its elements are 0 to 6',
    () => paged(ints(0, 2).reshape(1, 2), ints(0, 6), ints(6)),
  ],
  ...[
    [0, 4],
    [1, 5],
    [0, 3, 2, 5],
    [-1, 5],
  ].map((starts): [string, () => void] => [
    `[attention] segments i32[${starts.length}] must ascend from 0 to 5`,
    () => kernels.attention(f32(5, 8), f32(5, 2), f32(5, 8), f32(5, 8), f32(5, 8), ints(...starts), heads),
  ]),
];

test.each(wrong)('%s', (message, act) => expect(act).toThrow(message));

test('indices at both ends are taken', () => {
  kernels.embedding(f32(2, 5), ints(0, 6), f32(7, 5));
  kernels.linearCrossEntropy(f32(3), f32(3, 5), f32(7, 5), ints(0, -100, 6));
  kernels.cacheWrite(cache(), cache(), f32(2, 8), f32(2, 8), ints(-100, 11));
  paged(ints(0, 2).reshape(1, 2), ints(0, 5), ints(8));
  kernels.attention(f32(5, 8), f32(5, 2), f32(5, 8), f32(5, 8), f32(5, 8), ints(0, 2, 2, 5), heads);
});

test('what is known follows every way of writing', () => {
  const look = (tokens: Tensor) => kernels.embedding(f32(tokens.size, 5), tokens, f32(7, 5));
  const ids = ints(1, 2, 3, 4);
  ids.slice(2, 3).write([7]); // by a view
  expect(() => look(ids)).toThrow('holds 7');
  expect(() => look(ids.reshape(2, 2).slice(0, 1).reshape(2))).toThrow('holds 7'); // a view knows no better
  ids.write([1, 2, 3, 4]);
  look(ids);
  ids.write(new Uint8Array(Int32Array.of(1, 2, 3, -9).buffer)); // as bytes
  expect(() => look(ids)).toThrow('holds -9');
  const shifted = new Uint8Array(17);
  shifted.set(new Uint8Array(Int32Array.of(1, 2, 3, 9).buffer), 1);
  ids.write(shifted.subarray(1)); // nowhere aligned
  expect(() => look(ids)).toThrow('holds 9');
  kernels.fill(ids, 8);
  expect(() => look(ids)).toThrow('holds 8');
  kernels.fill(ids, 5);
  look(ids);
  const copy = device.empty([4], 'i32');
  kernels.cast(copy, ints(0, 1, 2, 70));
  expect(() => look(copy)).toThrow('holds 70');
  using step = openStep(device, { rows: 2 });
  look(step.integers([6, 0]));
  expect(() => look(step.integers([6, 7]))).toThrow('holds 7');
  expect(() => look(step.empty([2], 'i32'))).toThrow('nobody knows what indices tokens i32[2] holds');
  const { storage, offset } = ids;
  const stranger = new Tensor(device, 'i32', [4], { storage, offset });
  expect(() => look(stranger)).toThrow('hint: write them with tensor.write, device.tensor or step.integers');
  look(device.empty([4], 'i32')); // memory begins as zeros
});

test('ids of a vocabulary at both ends, of this part and of others, are taken', () => {
  const part = { first: 9, of: 20 };
  kernels.embedding(f32(4, 5), ints(0, 9, 15, 19), f32(7, 5), part);
  kernels.embeddingGrad(f32(7, 5), f32(4, 5), ints(0, 9, 15, 19), part);
  kernels.linearSoftmaxShare(f32(3, 3), f32(3, 5), f32(7, 5), ints(0, -100, 19), part);
});
