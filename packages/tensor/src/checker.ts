import type { Device } from './device.ts';
import { accumulatorDType, dtypes } from './dtype.ts';
import { fail } from './errors.ts';
import type { Bounds } from './integers.ts';
import type { AttentionShape, VocabularyPart } from './kernels.ts';
import { describe, type Shape, type Tensor } from './tensor.ts';

/** Chained checks that name the kernel and the argument. */
export class Checker {
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

  /** A weight that has gradients. */
  plain(tensor: Tensor): this {
    if (!dtypes[tensor.dtype].float || tensor.layout !== 'plain')
      this.#refuse(tensor, 'must be plain floats where its gradient is asked for');
    return this;
  }

  integers(...tensors: Tensor[]): this {
    for (const tensor of tensors) if (tensor.dtype !== 'i32') this.#refuse(tensor, 'must be i32');
    return this;
  }

  /**
   * Every element is an index of `count` things; or, where that is allowed, negative, or −100 for a
   * target that is ignored.
   */
  inside(tensor: Tensor, count: number, allowed?: 'negative' | 'ignored'): this {
    if (tensor.size === 0) return this;
    const { least, most, leastId } = this.#known(tensor);
    const low = { negative: 0, ignored: leastId, nothing: least }[allowed ?? 'nothing'];
    if (low >= 0 && most < count) return this;
    return this.#outside(tensor, low < 0 ? low : most, `0 to ${count - 1}`);
  }

  /** Every element is an id of the vocabulary that these rows are a part of; without a part they are all of it. */
  ids(tensor: Tensor, rows: number, part?: VocabularyPart, allowed?: 'ignored'): this {
    if (!part) return this.inside(tensor, rows, allowed);
    const { first, of } = part;
    if (!(Number.isSafeInteger(first) && Number.isSafeInteger(of) && first >= 0 && first + rows <= of))
      fail(this.#op, `${rows} rows from id ${first} on are no part of a vocabulary of ${of}.`, this.#all());
    return this.inside(tensor, of, allowed);
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

  /** A whole number of columns, at least one of them. */
  part(count: number, columns: number, what: string): this {
    if (!(Number.isInteger(count) && count > 0 && count <= columns))
      fail(this.#op, `${what} is ${count} of ${columns}.`, this.#all());
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
