import { type AttentionShape, type ComputeDType, type Device, type Kernels, Tensor } from '@cria/tensor';

import { brokenParts } from './broken-parts.ts';

/** Kernels that are wrong in one place, made from right ones. */
export type Break = (raw: Kernels, device: Device) => Partial<Kernels>;

/** A tensor of the same shape that starts as zero; mutants leak it. */
const like = (tensor: Tensor) => tensor.device.empty(tensor.shape, tensor.dtype);
const all = (tensor: Tensor) => tensor.reshape(tensor.size);

/** What is broken, the checks that must see it, and in which dtype. */
export const brokenKernels: [string, RegExp, Break, ComputeDType?][] = [
  ['linear forgets the residual', /^linear:/, (raw) => ({ linear: (y, x, w) => raw.linear(y, x, w) })],
  [
    'linear leaves the last element out',
    /^linear:/,
    (raw, device) => ({
      linear(y, x, w, options) {
        const whole = device.empty(y.shape, y.dtype);
        raw.linear(whole, x, w, options);
        raw.cast(all(y).slice(0, y.size - 1), all(whole).slice(0, y.size - 1));
      },
    }),
  ],
  [
    'linear is one bit off in a batch',
    /^batch invariance: linear, weight f32, f32/,
    (raw) => ({
      linear(y, x, w, options) {
        raw.linear(y, x, w, options);
        if (y.rows < 65) return;
        const tiny = y.device.empty(y.shape, y.dtype);
        raw.fill(tiny, 2 ** -22);
        raw.add(y, y, tiny);
      },
    }),
  ],
  [
    'linears writes a row of another into the last output',
    /^batch invariance: linears, weights f32, f32, f32, f32/,
    (raw) => ({
      linears(ys, x, ws) {
        raw.linears(ys, x, ws);
        raw.linear(ys[2].slice(0, 1), x.slice(1, 2), ws[2]);
      },
    }),
  ],
  [
    'linear is one bit off every other time',
    /^linear:/,
    (raw) => {
      let calls = 0;
      return {
        linear(y, x, w, options) {
          raw.linear(y, x, w, options);
          if (calls++ % 2)
            raw.adamw(all(y), all(like(y)), all(like(y)), all(like(y)), {
              ...SETTINGS,
              weightDecay: 2 ** -22,
            });
        },
      };
    },
  ],
  [
    'linear lets NaN out of its row',
    /^special values: linear:/,
    (raw, device) => ({
      linear(y, x, w, options) {
        raw.linear(y, x, w, options);
        const zeros = device.empty(x.shape, x.dtype);
        const total = device.empty([1], 'f32');
        raw.sumSquares(total, x);
        raw.linearGradInput(zeros.reshape(x.size, 1), zeros.reshape(x.size, 1), total.reshape(1, 1));
        raw.linear(y, zeros, w, { residual: y });
      },
    }),
  ],
  [
    'linearGradInput never accumulates',
    /^linearGradInput:/,
    (raw) => ({ linearGradInput: (dx, dy, w) => raw.linearGradInput(dx, dy, w) }),
  ],
  [
    'linearGradWeight overwrites',
    /^linearGradWeight:/,
    (raw) => ({
      linearGradWeight(dw, dy, x) {
        raw.fill(dw, 0);
        raw.linearGradWeight(dw, dy, x);
      },
    }),
  ],
  [
    'linearGradWeight sums a call by itself',
    /^row chunks:/,
    (raw) => ({
      linearGradWeight(dw, dy, x) {
        const own = like(dw);
        raw.linearGradWeight(own, dy, x);
        raw.add(dw, dw, own);
      },
    }),
  ],
  [
    'rmsNorm has its own eps',
    /^rmsNorm:/,
    (raw) => ({ rmsNorm: (y, r, x, g) => raw.rmsNorm(y, r, x, g, { eps: 1e-6 }) }),
  ],
  [
    'rmsNorm writes no rstd',
    /^rmsNorm:/,
    (raw) => ({ rmsNorm: (y, _, x, g, options) => raw.rmsNorm(y, undefined, x, g, options) }),
  ],
  [
    'rmsNormGrad overwrites dgain',
    /^rmsNormGrad:/,
    (raw) => ({
      rmsNormGrad(dx, dgain, ...rest) {
        if (dgain) raw.fill(dgain, 0);
        raw.rmsNormGrad(dx, dgain, ...rest);
      },
    }),
  ],
  [
    'rope never turns back',
    /^rope:/,
    (raw) => ({ rope: (y, x, p, t, o) => raw.rope(y, x, p, t, { ...o, inverse: false }) }),
  ],
  [
    'rope always pairs neighbours',
    /^rope:/,
    (raw) => ({ rope: (y, x, p, t, o) => raw.rope(y, x, p, t, { ...o, pairing: 'adjacent' }) }),
  ],
  [
    'swigluGrad reads what it wrote',
    /^swigluGrad:/,
    (raw) => ({
      swigluGrad(dgate, dup, dy, gate, up) {
        raw.swigluGrad(dgate, like(dup), dy, gate, up);
        raw.swigluGrad(like(dgate), dup, dy, gate, up);
      },
    }),
  ],
  [
    'swiglu changes its gate',
    /^swiglu:/,
    (raw) => ({
      swiglu(y, gate, up) {
        raw.swiglu(y, gate, up);
        raw.fill(gate, 0);
      },
    }),
  ],
  [
    'attention crosses segments',
    /^attention:/,
    (raw, device) => ({
      attention(out, lse, q, k, v, _, shape) {
        raw.attention(out, lse, q, k, v, device.tensor([0, q.rows], [2], 'i32'), shape);
      },
    }),
  ],
  [
    'attention forgets a given scale',
    /^attention:/,
    (raw) => ({
      attention: (out, lse, q, k, v, s, { heads, kvHeads }) =>
        raw.attention(out, lse, q, k, v, s, { heads, kvHeads }),
    }),
  ],
  ...(['attention', 'attentionGrad', 'pagedAttention'] as const).map((kernel): [string, RegExp, Break] => [
    `${kernel} forgets the window`,
    new RegExp(`^${kernel}:`),
    (raw) => ({
      [kernel]: (...all: [...Tensor[], AttentionShape]) =>
        (raw[kernel] as (...all: unknown[]) => void)(
          ...all.slice(0, -1),
          { ...(all.at(-1) as AttentionShape), window: undefined }, // the last argument of all three
        ),
    }),
  ]),
  [
    'addBias leaves the last row out',
    /^addBias:/,
    (raw) => ({ addBias: (y, bias) => y.rows > 1 && raw.addBias(y.slice(0, y.rows - 1), bias) }),
  ],
  [
    'biasGrad overwrites',
    /^biasGrad:/,
    (raw) => ({
      biasGrad(dbias, dy) {
        raw.fill(dbias, 0);
        raw.biasGrad(dbias, dy);
      },
    }),
  ],
  [
    'attentionGrad swaps dk and dv',
    /^attentionGrad:/,
    (raw) => ({ attentionGrad: (dq, dk, dv, ...rest) => raw.attentionGrad(dq, dv, dk, ...rest) }),
  ],
  [
    'attention of a NaN value reaches rows before it',
    /^special values: a NaN key/,
    (raw, device) => ({
      attention(out, lse, q, k, v, segments, shape) {
        raw.attention(out, lse, q, k, v, segments, shape);
        // As a kernel does that multiplies a hidden value by a probability of zero.
        const [zero, ones] = [device.empty([k.columns, 1], 'f32'), device.empty([out.columns, 1], 'f32')];
        const spread = device.empty([k.rows, 1], 'f32');
        raw.linear(spread, v, zero.reshape(1, k.columns));
        raw.fill(spread.slice(v.rows - 1, v.rows), 0);
        raw.linear(out.slice(0, v.rows - 1), spread.slice(1, v.rows), ones, {
          residual: out.slice(0, v.rows - 1),
        });
      },
    }),
  ],
  [
    'cacheWrite stores nothing in the last block',
    /^pagedAttention:/,
    (raw) => ({
      cacheWrite(keys, values, k, v, slots) {
        raw.cacheWrite(keys, values, k, v, slots);
        const last = keys.shape[0] - 1;
        raw.fill(keys.slice(last, last + 1), 0);
      },
    }),
  ],
  [
    'pagedAttention knows the first key only',
    /^pagedAttention:/,
    (raw, device) => ({
      pagedAttention(out, q, keys, values, table, starts, lengths, shape) {
        const fewer = device.empty(lengths.shape, 'i32');
        raw.fill(fewer, 1);
        raw.pagedAttention(out, q, keys, values, table, starts, fewer, shape);
      },
    }),
  ],
  [
    'cross entropy overwrites dw',
    /^linearCrossEntropy:/,
    (raw) => ({
      linearCrossEntropy(losses, x, w, targets, grads, weights) {
        if (grads?.dw) raw.fill(grads.dw, 0);
        raw.linearCrossEntropy(losses, x, w, targets, grads, weights);
      },
    }),
  ],
  [
    'cross entropy forgets the weights of rows',
    /^linearCrossEntropy:/,
    (raw) => ({
      linearCrossEntropy: (losses, x, w, targets, grads) =>
        raw.linearCrossEntropy(losses, x, w, targets, grads),
    }),
  ],
  [
    'cross entropy counts rows without a target',
    /^special values: rows that count nothing/,
    (raw, device) => ({
      linearCrossEntropy: (losses, x, w, targets, grads, weights) =>
        raw.linearCrossEntropy(losses, x, w, device.empty(targets.shape, 'i32'), grads, weights),
    }),
  ],
  ...brokenParts,
  [
    'embeddingGrad misses repeated tokens',
    /^embeddingGrad:/,
    (raw, device) => ({
      embeddingGrad(dtable, dy, tokens) {
        const one = device.empty([1], 'i32');
        raw.gatherRows(one, tokens.reshape(tokens.size, 1), device.empty([1], 'i32'));
        raw.embeddingGrad(dtable, dy.slice(0, 1), one);
      },
    }),
  ],
  [
    'gatherRows gives the first rows',
    /^gatherRows:/,
    (raw, device) => ({ gatherRows: (y, x, rows) => raw.gatherRows(y, x, device.empty(rows.shape, 'i32')) }),
  ],
  [
    'add writes one element too many',
    /^add:/,
    (raw, device) => ({
      add(y, a, b) {
        raw.fill(new Tensor(device, y.dtype, [y.size + 1], y), 0);
        raw.add(y, a, b);
      },
    }),
  ],
  [
    'cast truncates',
    /^cast:/,
    (raw, device) => ({
      cast(y, x) {
        const low = device.empty(x.shape, x.dtype);
        if (x.dtype === 'f32') raw.fill(low, -(2 ** -9));
        if (x.dtype === 'f32') raw.add(low, low, x);
        raw.cast(y, x.dtype === 'f32' ? low : x);
      },
    }),
    'bf16',
  ],
  [
    'fill knows whole numbers only',
    /^fill:/,
    (raw) => ({ fill: (y, value) => raw.fill(y, Math.trunc(value)) }),
  ],
  [
    'sample takes the temperature first where it comes last',
    /^sample:/,
    (raw) => ({
      sample: (ids, logits, rows, options) =>
        raw.sample(
          ids,
          logits,
          rows.map((row) => ({ ...row, temperatureLast: false })),
          options,
        ),
    }),
  ],
  [
    'sample forgets the masks',
    /^sample:/,
    (raw) => ({
      sample: (ids, logits, rows, options) =>
        raw.sample(
          ids,
          logits,
          rows.map((row) => ({ ...row, mask: -1 })),
          options,
        ),
    }),
  ],
  [
    'sample draws the row before',
    /^batch invariance: sample/,
    (raw) => ({
      sample: (ids, logits, rows, options) =>
        raw.sample(
          ids,
          logits,
          rows.map((row, r) => ({ ...row, u: rows[Math.max(0, r - 1)].u })),
          options,
        ),
    }),
  ],
  [
    'logProbabilities counts the padding',
    /^logProbabilities:/,
    (raw) => ({
      logProbabilities: (chosen, logits, ids, { top } = {}) =>
        raw.logProbabilities(chosen, logits, ids, top ? { top } : {}),
    }),
  ],
  [
    'sumSquares misses the last element',
    /^sumSquares:/,
    (raw) => ({ sumSquares: (out, x) => raw.sumSquares(out, all(x).slice(0, x.size - 1)) }),
  ],
  [
    'adamw forgets the gradient scale',
    /^adamw:/,
    (raw) => ({ adamw: (p, g, m, v, s, copy) => raw.adamw(p, g, m, v, { ...s, gradientScale: 1 }, copy) }),
  ],
  [
    'adamw forgets the bias corrections',
    /^adamw:/,
    (raw) => ({ adamw: (p, g, m, v, s, copy) => raw.adamw(p, g, m, v, { ...s, step: 1e9 }, copy) }),
  ],
  ['adamw writes no copy', /^adamw:/, (raw) => ({ adamw: (p, g, m, v, s) => raw.adamw(p, g, m, v, s) })],
];

const SETTINGS = {
  learningRate: 1,
  beta1: 0.9,
  beta2: 0.9,
  epsilon: 1,
  weightDecay: 0,
  gradientScale: 1,
  step: 1,
};
