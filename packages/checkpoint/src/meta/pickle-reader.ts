import { fail } from '@cria/tensor';
import type { FloatDType, StoredDType } from '../safetensors/dtypes.ts';

/*
 * A pickle machine that knows tensors and nothing else: numbers, texts, lists, tuples, dictionaries, and the few names with which
 * `torch.save` builds a tensor. A pickle can name any function to be called; every other name is refused before it means anything.
 */

/** A tensor as the pickle describes it; its numbers lie in the storage `key`. */
export class PickledTensor {
  readonly dtype: StoredDType;
  readonly key: string;
  /** Elements of the whole storage. */
  readonly storageSize: number;
  /** First element in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: PickledStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.dtype = storage.dtype;
    this.key = storage.key;
    this.storageSize = storage.size;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

class PickledStorage {
  readonly dtype: StoredDType;
  readonly key: string;
  readonly size: number;

  constructor(dtype: StoredDType, key: string, size: number) {
    this.dtype = dtype;
    this.key = key;
    this.size = size;
  }
}

/** A name from a module, which only REDUCE and persistent ids give a meaning. */
class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const storageTypes: Readonly<Record<string, StoredDType>> = {
  'torch.FloatStorage': 'F32',
  'torch.DoubleStorage': 'F64',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  'torch.ComplexFloatStorage': 'C64',
};

const REBUILD = 'torch._utils._rebuild_tensor_v2';
const PARAMETER = 'torch._utils._rebuild_parameter';
const ORDERED = 'collections.OrderedDict';
const known = new Set([REBUILD, PARAMETER, ORDERED, ...Object.keys(storageTypes)]);

const MARK = Symbol('mark');
type Mark = typeof MARK;
type Value = unknown;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Texts, numbers, lists, Maps and `PickledTensor`s. Throws on any name or operation that tensors do not need. */
export function readPickle(op: string, file: string, bytes: Uint8Array): unknown {
  return new Machine(op, file, bytes).run();
}

class Machine {
  readonly #op: string;
  readonly #file: string;
  readonly #bytes: Buffer;
  readonly #stack: (Value | Mark)[] = [];
  readonly #memo = new Map<number, Value>();
  #at = 0;

  constructor(op: string, file: string, bytes: Uint8Array) {
    this.#op = op;
    this.#file = file;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    for (;;) {
      const code = this.#bytes[this.#take(1)] ?? 0;
      if (code === 0x2e) return this.#pop(); // STOP
      this.#step(code);
    }
  }

  #step(code: number): void {
    const bytes = this.#bytes;
    switch (String.fromCharCode(code)) {
      case '\x80': // PROTO
        if ((bytes[this.#take(1)] ?? 0) > 5) this.#refuse(`it is of protocol ${bytes[this.#at - 1]}`);
        return;
      case '\x95': // FRAME
        this.#take(8);
        return;
      case '(':
        return this.#push(MARK);
      case '}':
        return this.#push(new Map());
      case ']':
      case ')':
        return this.#push([]);
      case 'N':
        return this.#push(null);
      case '\x88':
        return this.#push(true);
      case '\x89':
        return this.#push(false);
      case 'K':
        return this.#push(bytes[this.#take(1)]);
      case 'M':
        return this.#push(bytes.readUInt16LE(this.#take(2)));
      case 'J':
        return this.#push(bytes.readInt32LE(this.#take(4)));
      case 'G':
        return this.#push(bytes.readDoubleBE(this.#take(8)));
      case '\x8a':
        return this.#push(this.#long());
      case 'X':
        return this.#push(this.#text(bytes.readUInt32LE(this.#take(4))));
      case '\x8c':
        return this.#push(this.#text(bytes[this.#take(1)] ?? 0));
      case 'q':
        return this.#remember(bytes[this.#take(1)] ?? 0);
      case 'r':
        return this.#remember(bytes.readUInt32LE(this.#take(4)));
      case '\x94': // MEMOIZE
        return this.#remember(this.#memo.size);
      case 'h':
        return this.#recall(bytes[this.#take(1)] ?? 0);
      case 'j':
        return this.#recall(bytes.readUInt32LE(this.#take(4)));
      case 't':
        return this.#push(this.#popToMark());
      case '\x85':
        return this.#push([this.#pop()]);
      case '\x86':
        return this.#push([this.#pop(), this.#pop()].reverse());
      case '\x87':
        return this.#push([this.#pop(), this.#pop(), this.#pop()].reverse());
      case 'a': {
        const item = this.#pop();
        return void this.#list().push(item);
      }
      case 'e': {
        const items = this.#popToMark();
        return void this.#list().push(...items);
      }
      case 's': {
        const [value, key] = [this.#pop(), this.#pop()];
        return void this.#dictionary().set(key, value);
      }
      case 'u': {
        const items = this.#popToMark();
        if (items.length % 2 !== 0) this.#refuse('a dictionary gets a key without a value');
        const dictionary = this.#dictionary();
        for (let i = 0; i < items.length; i += 2) dictionary.set(items[i], items[i + 1]);
        return;
      }
      case 'c':
        return this.#global(`${this.#line()}.${this.#line()}`);
      case '\x93': {
        const [name, module] = [this.#pop(), this.#pop()];
        return this.#global(`${String(module)}.${String(name)}`);
      }
      case 'Q':
        return this.#push(this.#storage(this.#pop()));
      case 'R': {
        const [input, callee] = [this.#pop(), this.#pop()];
        return this.#push(this.#call(callee, input));
      }
      case 'b': // the attributes of a dictionary (`_metadata` of a state_dict): not needed
        this.#pop();
        return;
      default:
        this.#refuse(`it uses operation 0x${code.toString(16)}, which no tensor needs`);
    }
  }

  #global(name: string): void {
    if (!known.has(name))
      fail(
        this.#op,
        `${this.#file}: its pickle names ${JSON.stringify(name.slice(0, 120))}, which is code, not a tensor.`,
        'do not load this file with any program that runs pickles',
      );
    this.#push(new Global(name));
  }

  /** ('storage', type, key, device, elements) */
  #storage(id: Value): PickledStorage {
    if (!Array.isArray(id)) this.#refuse('a storage has no description');
    const [kind, type, key, , size] = id as readonly unknown[];
    const dtype = type instanceof Global ? storageTypes[type.name] : undefined;
    if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(size))
      this.#refuse('a storage is described in a way that is not known');
    return new PickledStorage(dtype, key, size);
  }

  #call(callee: Value, input: Value): Value {
    if (!(callee instanceof Global) || !Array.isArray(input))
      this.#refuse('it calls something that is no name');
    const list = input as readonly unknown[];
    if (callee.name === ORDERED) return new Map();
    if (callee.name === PARAMETER) return list[0];
    if (callee.name !== REBUILD) this.#refuse(`it calls ${callee.name}`);
    const [storage, offset, shape, strides] = list;
    if (!(storage instanceof PickledStorage) || !isSize(offset) || !areSizes(shape) || !areSizes(strides))
      this.#refuse('a tensor is described in a way that is not known');
    if (shape.length !== strides.length)
      this.#refuse(`a tensor has shape [${shape.join(', ')}] and strides [${strides.join(', ')}]`);
    return new PickledTensor(storage, offset, shape, strides);
  }

  #long(): number {
    const length = this.#bytes[this.#take(1)] ?? 0;
    if (length === 0) return 0;
    if (length > 8) this.#refuse(`a whole number has ${length} bytes`);
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] ?? 0);
    value = BigInt.asIntN(8 * length, value);
    if (!Number.isSafeInteger(Number(value))) this.#refuse(`the number ${value} is impossible`);
    return Number(value);
  }

  #text(length: number): string {
    const at = this.#take(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#refuse(`a text of ${length} bytes is no UTF-8`);
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > 1000) this.#refuse('a name has no end');
    const text = this.#bytes.toString('latin1', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) this.#refuse('it ends too early');
    this.#at = at + length;
    return at;
  }

  #push(value: Value | Mark): void {
    this.#stack.push(value);
  }

  #pop(): Value {
    if (this.#stack.length === 0 || this.#stack.at(-1) === MARK) this.#refuse('its stack is empty');
    return this.#stack.pop();
  }

  #popToMark(): Value[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) this.#refuse('a mark is missing');
    const items = this.#stack.splice(mark);
    return items.slice(1);
  }

  #remember(index: number): void {
    const top = this.#pop();
    this.#memo.set(index, top);
    this.#push(top);
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) this.#refuse(`it recalls ${index}, which it never kept`);
    this.#push(this.#memo.get(index));
  }

  #list(): Value[] {
    const top = this.#pop();
    this.#push(top);
    return Array.isArray(top) ? top : this.#refuse('something that is no list gets items');
  }

  #dictionary(): Map<Value, Value> {
    const top = this.#pop();
    this.#push(top);
    return top instanceof Map ? top : this.#refuse('something that is no dictionary gets items');
  }

  #refuse(what: string): never {
    return fail(
      this.#op,
      `${this.#file}: the pickle cannot be read: ${what} (before byte ${this.#at}).`,
      'the file is damaged, or holds more than tensors',
    );
  }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 8 && value.every(isSize);
}

/** The storage class of PyTorch for a float type. */
export const storageNames: Readonly<Record<FloatDType, string>> = {
  F32: 'FloatStorage',
  F64: 'DoubleStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
};
