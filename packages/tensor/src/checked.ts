import type { Device } from './device.ts';
import { accumulatorDType, dtypes } from './dtype.ts';
import { fail } from './errors.ts';
import { type Bounds, boundsOf } from './integers.ts';
import type { AttentionShape, Kernels } from './kernels.ts';
import { describe, type Shape, type Tensor } from './tensor.ts';

/**
 * The one place where kernel arguments are checked: shapes, dtypes, devices, and whether indices (token ids, positions, segments, slots, …)
 * stay inside what they are indices of, by what the host wrote into them. Devices get arguments that fit and check nothing again.
 */
export function checkKernels(device: Device, raw: Kernels): Kernels {
  const check = new Checker(device);
  return {
    linear(y, x, w, options = {}) {
      check.op('linear', { y, x, w, residual: options.residual });
      check.columns(w, x.columns).float(y, x).rows(x.rows, y).columns(y, w.rows).same(y, x);
      if (options.residual) check.shape(options.residual, y.shape).same(options.residual, y);
      raw.linear(y, x, w, options);
    },
    linears(ys, x, ws) {
      if (ys.length !== ws.length) fail('linears', `${ys.length} outputs for ${ws.length} weights.`);
      for (let i = 0; i < ys.length; i++) {
        const [y, w] = [ys[i], ws[i]];
        check.op('linears', { y, x, w });
        check.columns(w, x.columns).float(y, x).rows(x.rows, y).columns(y, w.rows).same(y, x);
      }
      raw.linears(ys, x, ws);
    },
    linearGradInput(dx, dy, w, options = {}) {
      check.op('linearGradInput', { dx, dy, w });
      check.float(dx, dy).rows(dy.rows, dx).columns(dy, w.rows).columns(dx, w.columns).same(dx, dy);
      raw.linearGradInput(dx, dy, w, options);
    },
    linearGradWeight(dw, dy, x) {
      check.op('linearGradWeight', { dw, dy, x });
      check.float(dy, x).rows(dy.rows, x).rows(dy.columns, dw).columns(dw, x.columns).wide(dw, x);
      raw.linearGradWeight(dw, dy, x);
    },
    addBias(y, bias) {
      check.op('addBias', { y, bias });
      check.float(y, bias).size(bias, y.columns);
      raw.addBias(y, bias);
    },
    biasGrad(dbias, dy) {
      check.op('biasGrad', { dbias, dy });
      check.float(dy).size(dbias, dy.columns).wide(dbias, dy);
      raw.biasGrad(dbias, dy);
    },
    embedding(y, tokens, table) {
      check.op('embedding', { y, tokens, table });
      check.integers(tokens).rows(tokens.size, y).columns(y, table.columns).float(y);
      check.inside(tokens, table.rows);
      raw.embedding(y, tokens, table);
    },
    embeddingGrad(dtable, dy, tokens) {
      check.op('embeddingGrad', { dtable, dy, tokens });
      check.integers(tokens).rows(tokens.size, dy).columns(dtable, dy.columns).float(dy).wide(dtable, dy);
      check.inside(tokens, dtable.rows);
      raw.embeddingGrad(dtable, dy, tokens);
    },
    rmsNorm(y, rstd, x, gain, options) {
      check.op('rmsNorm', { y, rstd, x, gain });
      check.float(y, x, gain).shape(y, x.shape).size(gain, x.columns).same(y, x);
      if (rstd) check.size(rstd, x.rows).wide(rstd, x);
      raw.rmsNorm(y, rstd, x, gain, options);
    },
    rmsNormGrad(dx, dgain, dy, x, gain, rstd, options = {}) {
      check.op('rmsNormGrad', { dx, dgain, dy, x, gain, rstd });
      check
        .float(dx, dy, x, gain)
        .shape(dx, x.shape)
        .shape(dy, x.shape)
        .size(gain, x.columns)
        .size(rstd, x.rows)
        .wide(rstd, x);
      if (dgain) check.size(dgain, x.columns).wide(dgain, x);
      raw.rmsNormGrad(dx, dgain, dy, x, gain, rstd, options);
    },
    rope(y, x, positions, table, options) {
      check.op('rope', { y, x, positions, table });
      check
        .float(y, x)
        .shape(y, x.shape)
        .same(y, x)
        .integers(positions)
        .size(positions, x.rows)
        .wide(table, x);
      check
        .multiple(x.columns, options.heads, 'heads')
        .columns(table, x.columns / options.heads)
        .multiple(table.columns, 2, 'pairs')
        .inside(positions, table.rows);
      raw.rope(y, x, positions, table, options);
    },
    swiglu(y, gate, up) {
      check.op('swiglu', { y, gate, up });
      check.float(y).shape(gate, y.shape).shape(up, y.shape).same(gate, y).same(up, y);
      raw.swiglu(y, gate, up);
    },
    swigluGrad(dgate, dup, dy, gate, up) {
      check.op('swigluGrad', { dgate, dup, dy, gate, up });
      check.float(dy);
      for (const tensor of [dgate, dup, gate, up]) check.shape(tensor, dy.shape).same(tensor, dy);
      raw.swigluGrad(dgate, dup, dy, gate, up);
    },
    attention(out, lse, q, k, v, segments, shape) {
      check.op('attention', { out, lse, q, k, v, segments });
      check
        .heads(out, q, k, v, shape)
        .rows(q.rows, k, v)
        .integers(segments)
        .shape(lse, [q.rows, shape.heads])
        .wide(lse, q)
        .starts(segments, q.rows);
      raw.attention(out, lse, q, k, v, segments, shape);
    },
    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      check.op('attentionGrad', { dq, dk, dv, dout, q, k, v, out, lse, segments });
      check
        .heads(out, q, k, v, shape)
        .rows(q.rows, k, v)
        .integers(segments)
        .shape(lse, [q.rows, shape.heads])
        .wide(lse, q)
        .starts(segments, q.rows);
      for (const tensor of [dq, dout]) check.shape(tensor, q.shape).same(tensor, q);
      for (const tensor of [dk, dv]) check.shape(tensor, k.shape).same(tensor, k);
      raw.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape);
    },
    cacheWrite(keyCache, valueCache, k, v, slots) {
      check.op('cacheWrite', { keyCache, valueCache, k, v, slots });
      check
        .integers(slots)
        .size(slots, k.rows)
        .shape(v, k.shape)
        .columns(keyCache, k.columns)
        .shape(valueCache, keyCache.shape)
        .cache(keyCache, valueCache)
        .inside(slots, keyCache.rows, 'negative');
      raw.cacheWrite(keyCache, valueCache, k, v, slots);
    },
    pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape) {
      check.op('pagedAttention', { out, q, keyCache, valueCache, blockTable, queryStarts, lengths });
      check
        .heads(out, q, keyCache, valueCache, shape)
        .shape(valueCache, keyCache.shape)
        .cache(keyCache, valueCache)
        .wholeBlocks(keyCache, q.columns / shape.heads);
      check
        .integers(blockTable, queryStarts, lengths)
        .size(queryStarts, lengths.size + 1)
        .rows(lengths.size, blockTable)
        .starts(queryStarts, q.rows)
        .inside(blockTable, keyCache.shape[0])
        .inside(lengths, blockTable.columns * keyCache.shape[1] + 1);
      raw.pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape);
    },
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      check.op('linearCrossEntropy', { losses, x, w, targets, dx: grads?.dx, dw: grads?.dw, weights });
      check
        .float(x)
        .columns(w, x.columns)
        .integers(targets)
        .size(targets, x.rows)
        .size(losses, x.rows)
        .wide(losses, x)
        .inside(targets, w.rows, 'ignored');
      if (grads) check.shape(grads.dx, x.shape).same(grads.dx, x);
      if (grads?.dw) check.shape(grads.dw, w.shape).wide(grads.dw, x);
      if (weights) check.size(weights, x.rows).wide(weights, x);
      raw.linearCrossEntropy(losses, x, w, targets, grads, weights);
    },
    gatherRows(y, x, rows) {
      check.op('gatherRows', { y, x, rows });
      check.integers(rows).size(rows, y.rows).columns(y, x.columns).same(y, x).inside(rows, x.rows);
      raw.gatherRows(y, x, rows);
    },
    add(y, a, b) {
      check.op('add', { y, a, b });
      check.float(y).size(a, y.size).size(b, y.size).same(a, y).same(b, y);
      raw.add(y, a, b);
    },
    cast(y, x) {
      check.op('cast', { y, x });
      check.size(x, y.size);
      if (y.dtype !== x.dtype) check.float(y, x);
      y.integers?.replaced(y.size, x.integers?.of(x.size));
      raw.cast(y, x);
    },
    fill(y, value) {
      check.op('fill', { y });
      y.integers?.replaced(y.size, boundsOf([value]));
      raw.fill(y, value);
    },
    sumSquares(out, x) {
      check.op('sumSquares', { out, x });
      check.float(x).size(out, 1).wide(out, x);
      raw.sumSquares(out, x);
    },
    adamw(value, gradient, firstMoment, secondMoment, settings, copy) {
      check.op('adamw', { value, gradient, firstMoment, secondMoment, copy });
      for (const tensor of [gradient, firstMoment, secondMoment])
        check.size(tensor, value.size).wide(tensor, value);
      check.wide(value, value);
      if (copy) check.size(copy, value.size).float(copy);
      raw.adamw(value, gradient, firstMoment, secondMoment, settings, copy);
    },
  };
}

/** Chained checks that name the kernel and the argument. */
class Checker {
  #device: Device;
  readonly #alignment: number;
  #op = '';
  #arguments: Record<string, Tensor | undefined> = {};

  constructor(device: Device) {
    this.#device = device;
    this.#alignment = device.abilities.offsetAlignment;
  }

  op(name: string, tensors: Record<string, Tensor | undefined>): this {
    this.#op = name;
    this.#arguments = tensors;
    for (const key in tensors) {
      const tensor = tensors[key];
      if (tensor && tensor.device !== this.#device) {
        fail(name, `${key} lies on device ${tensor.device.name}, the kernel on ${this.#device.name}.`);
      }
      if (tensor && tensor.offset % this.#alignment !== 0)
        fail(
          name,
          `${key} begins at byte ${tensor.offset} of its storage, not at a multiple of ${this.#alignment}.`,
          'cut tensors where device.abilities.offsetAlignment allows it',
        );
      if (tensor && tensor.layout !== 'plain' && key !== 'w') {
        fail(name, `${key} is packed: ${describe(tensor)}.`, 'only weights of linear may be packed');
      }
    }
    return this;
  }

  float(...tensors: Tensor[]): this {
    for (const tensor of tensors)
      if (!dtypes[tensor.dtype].float) this.#refuse(tensor, 'must have a float dtype');
    return this;
  }

  integers(...tensors: Tensor[]): this {
    for (const tensor of tensors) if (tensor.dtype !== 'i32') this.#refuse(tensor, 'must be i32');
    return this;
  }

  /** Every element is an index of `count` things; or, where that is allowed, negative, or −100 for a target that is ignored. */
  inside(tensor: Tensor, count: number, allowed?: 'negative' | 'ignored'): this {
    if (tensor.size === 0) return this;
    const { least, most, leastId } = this.#known(tensor);
    const low = { negative: 0, ignored: leastId, nothing: least }[allowed ?? 'nothing'];
    if (low >= 0 && most < count) return this;
    return this.#outside(tensor, low < 0 ? low : most, `0 to ${count - 1}`);
  }

  /** Elements ascend from 0 to `rows`: where sequences start. */
  starts(tensor: Tensor, rows: number): this {
    const { ascent, least, most } = this.#known(tensor);
    if (tensor.size === tensor.integers?.size && ascent?.[0] === 0 && ascent[1] === rows) return this;
    return this.#refuse(tensor, `must ascend from 0 to ${rows}; its elements are ${least} to ${most}`);
  }

  #known(tensor: Tensor): Bounds {
    return (
      tensor.integers?.bounds ??
      fail(
        this.#op,
        `nobody knows what indices ${this.#name(tensor)} ${describe(tensor)} holds.`,
        'write them with tensor.write, device.tensor or step.integers',
      )
    );
  }

  #outside(tensor: Tensor, value: number, range: string): never {
    return fail(
      this.#op,
      `${this.#name(tensor)} ${describe(tensor)} holds ${value}, outside ${range}.`,
      this.#all(),
    );
  }

  same(tensor: Tensor, other: Tensor): this {
    if (tensor.dtype !== other.dtype) this.#refuse(tensor, `must have the dtype of ${this.#name(other)}`);
    return this;
  }

  /** f32, or f64 beside f64. */
  wide(tensor: Tensor, beside: Tensor): this {
    const expected = accumulatorDType(beside.dtype);
    if (tensor.dtype !== expected) this.#refuse(tensor, `must be ${expected}`);
    return this;
  }

  shape(tensor: Tensor, shape: Shape): this {
    const fits =
      tensor.shape.length === shape.length && tensor.shape.every((extent, axis) => extent === shape[axis]);
    if (!fits) this.#refuse(tensor, `must have shape [${shape.join(', ')}]`);
    return this;
  }

  size(tensor: Tensor, size: number): this {
    if (tensor.size !== size) this.#refuse(tensor, `must have ${size} elements`);
    return this;
  }

  rows(rows: number, ...tensors: Tensor[]): this {
    for (const tensor of tensors) if (tensor.rows !== rows) this.#refuse(tensor, `must have ${rows} rows`);
    return this;
  }

  columns(tensor: Tensor, columns: number): this {
    if (tensor.columns !== columns) this.#refuse(tensor, `must have ${columns} columns`);
    return this;
  }

  multiple(value: number, of: number, what: string): this {
    if (!(of > 0) || value % of !== 0)
      fail(this.#op, `${value} columns do not divide into ${of} ${what}.`, this.#all());
    return this;
  }

  heads(out: Tensor, q: Tensor, k: Tensor, v: Tensor, { heads, kvHeads, window }: AttentionShape): this {
    this.float(out, q).shape(out, q.shape).same(out, q).shape(v, k.shape).multiple(q.columns, heads, 'heads');
    if (!(kvHeads > 0) || heads % kvHeads !== 0)
      fail(this.#op, `${heads} heads do not divide into ${kvHeads} kv heads.`);
    if (window !== undefined && !(Number.isSafeInteger(window) && window > 0))
      fail(this.#op, `window is ${window}.`, 'give a whole number above 0, or leave it out');
    return this.columns(k, (q.columns / heads) * kvHeads);
  }

  #name(tensor: Tensor): string {
    return Object.keys(this.#arguments).find((key) => this.#arguments[key] === tensor) ?? 'an argument';
  }

  /** Keys and values stored alike, as floats or in blocks of Q8_0. */
  cache(keys: Tensor, values: Tensor): this {
    if (!dtypes[keys.dtype].float && keys.dtype !== 'q8_0')
      this.#refuse(keys, 'must have a float dtype or q8_0');
    return this.same(values, keys);
  }

  /** Heads of `width` numbers begin and end where blocks do. */
  wholeBlocks(tensor: Tensor, width: number): this {
    const { blockSize } = dtypes[tensor.dtype];
    if (width % blockSize === 0) return this;
    return fail(
      this.#op,
      `heads of ${width} do not divide into blocks of ${blockSize} of ${tensor.dtype}.`,
      'use a cache of f32, bf16 or f16',
    );
  }

  #all(): string {
    const shown = Object.entries(this.#arguments).flatMap(([key, tensor]) =>
      tensor ? [`${key} ${describe(tensor)}`] : [],
    );
    return `the arguments are ${shown.join(', ')}`;
  }

  #refuse(tensor: Tensor, must: string): never {
    return fail(this.#op, `${this.#name(tensor)} ${describe(tensor)} ${must}.`, this.#all());
  }
}
