import { fail } from '@cria/tensor';
import { Global, PickledStorage, PickledTensor, storageTypes } from './pickle-values.ts';

/*
 * A pickle machine that knows tensors and nothing else: numbers, texts, lists, tuples,
 * dictionaries, and the few names with which `torch.save` builds a tensor. A pickle can name any
 * function to be called; every other name is refused before it means anything.
 */

const REBUILD = 'torch._utils._rebuild_tensor_v2';
/** Of PyTorch before 0.4: without gradient and hooks. */
const REBUILD_OLD = 'torch._utils._rebuild_tensor';
const PARAMETER = 'torch._utils._rebuild_parameter';
const ORDERED = 'collections.OrderedDict';
const known = new Set([REBUILD, REBUILD_OLD, PARAMETER, ORDERED, ...storageTypes.keys()]);

const MARK = Symbol('mark');
type Mark = typeof MARK;
type Value = unknown;

/** The largest that torch writes are seeds of 64 bits and a magic number of 80. */
const MOST_LONG_BYTES = 16;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Texts, numbers, lists, Maps and `PickledTensor`s. Throws on any name or operation that tensors do
 * not need.
 */
export function readPickle(op: string, file: string, bytes: Uint8Array): unknown {
  return new Machine(op, file, bytes, 0).run();
}

/** What one of several pickles in a row holds. */
export interface PickleRead {
  readonly value: unknown;
  /** First byte behind it. */
  readonly end: number;
  /** Every storage that it names, by key. */
  readonly storages: ReadonlyMap<string, PickledStorage>;
}

/** The pickle that begins at byte `at`. */
export function readPickleAt(op: string, file: string, bytes: Uint8Array, at: number): PickleRead {
  const machine = new Machine(op, file, bytes, at);
  return { value: machine.run(), end: machine.at, storages: machine.storages };
}

class Machine {
  readonly #op: string;
  readonly #file: string;
  readonly #bytes: Buffer;
  readonly #stack: (Value | Mark)[] = [];
  readonly #memo = new Map<number, Value>();
  readonly storages = new Map<string, PickledStorage>();
  #at: number;

  constructor(op: string, file: string, bytes: Uint8Array, at: number) {
    this.#at = at;
    this.#op = op;
    this.#file = file;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get at(): number {
    return this.#at;
  }

  run(): unknown {
    for (;;) {
      const code = this.#byte();
      if (code === 0x2e) return this.#pop(); // STOP
      this.#step(code);
    }
  }

  #step(code: number): void {
    const operation = Machine.#operations[String.fromCharCode(code)];
    if (!operation) this.#refuse(`it uses operation 0x${code.toString(16)}, which no tensor needs`);
    operation(this);
  }

  /**
   * Operations by their code, with Python's names (pickletools.py) where the code does not tell.
   */
  static readonly #operations: Readonly<Record<string, (machine: Machine) => void>> = {
    // PROTO
    '\x80': (m) => {
      const protocol = m.#byte();
      if (protocol > 5) m.#refuse(`it is of protocol ${protocol}`);
    },
    // FRAME: a length that only a reader of streams needs
    '\x95': (m) => void m.#take(8),
    '(': (m) => m.#push(MARK),
    '}': (m) => m.#push(new Map()),
    ']': (m) => m.#push([]),
    ')': (m) => m.#push([]),
    N: (m) => m.#push(null),
    '\x88': (m) => m.#push(true),
    '\x89': (m) => m.#push(false),
    // numbers: BININT1, BININT2, BININT, BINFLOAT, LONG1
    K: (m) => m.#push(m.#byte()),
    M: (m) => m.#push(m.#bytes.readUInt16LE(m.#take(2))),
    J: (m) => m.#push(m.#bytes.readInt32LE(m.#take(4))),
    G: (m) => m.#push(m.#bytes.readDoubleBE(m.#take(8))),
    '\x8a': (m) => m.#push(m.#long()),
    // texts: BINUNICODE, SHORT_BINUNICODE
    X: (m) => m.#push(m.#text(m.#word())),
    '\x8c': (m) => m.#push(m.#text(m.#byte())),
    // texts of Python 2: BINSTRING, SHORT_BINSTRING
    T: (m) => m.#push(m.#text(m.#word())),
    U: (m) => m.#push(m.#text(m.#byte())),
    // what is kept for later: BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
    q: (m) => m.#remember(m.#byte()),
    r: (m) => m.#remember(m.#word()),
    '\x94': (m) => m.#remember(m.#memo.size),
    h: (m) => m.#recall(m.#byte()),
    j: (m) => m.#recall(m.#word()),
    // tuples: TUPLE, TUPLE1, TUPLE2, TUPLE3
    t: (m) => m.#push(m.#popToMark()),
    '\x85': (m) => m.#push([m.#pop()]),
    '\x86': (m) => m.#push([m.#pop(), m.#pop()].reverse()),
    '\x87': (m) => m.#push([m.#pop(), m.#pop(), m.#pop()].reverse()),
    // items of lists and dictionaries: APPEND, APPENDS, SETITEM, SETITEMS
    a: (m) => m.#append([m.#pop()]),
    e: (m) => m.#append(m.#popToMark()),
    s: (m) => m.#setItems([m.#pop(), m.#pop()].reverse()),
    u: (m) => m.#setItems(m.#popToMark()),
    // names, and what is made of them: GLOBAL, STACK_GLOBAL, BINPERSID, REDUCE
    c: (m) => m.#global(`${m.#line()}.${m.#line()}`),
    '\x93': (m) => {
      const [name, module] = [m.#pop(), m.#pop()];
      if (typeof name !== 'string' || typeof module !== 'string') m.#refuse('a name is no text');
      m.#global(`${module}.${name}`);
    },
    Q: (m) => m.#push(m.#storage(m.#pop())),
    R: (m) => {
      const [input, callee] = [m.#pop(), m.#pop()];
      m.#push(m.#call(callee, input));
    },
    // BUILD: the attributes of a dictionary (`_metadata` of a state_dict), which are not needed
    b: (m) => void m.#pop(),
  };

  #global(name: string): void {
    if (!known.has(name))
      fail(
        this.#op,
        `${this.#file}: its pickle names ${JSON.stringify(name.slice(0, 120))}, which is code, not a tensor.`,
        'do not load this file with any program that runs pickles',
      );
    this.#push(new Global(name));
  }

  /** ('storage', type, key, device, elements, and in old files nothing or (key, offset, elements) of a view) */
  #storage(id: Value): PickledStorage {
    if (!Array.isArray(id)) this.#refuse('a storage has no description');
    const [kind, type, key, , size, view] = id as readonly unknown[];
    const dtype = type instanceof Global ? storageTypes.get(type.name) : undefined;
    if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(size))
      this.#refuse('a storage is described in a way that is not known');
    const known = this.storages.get(key);
    if (known && (known.dtype !== dtype || known.size !== size))
      this.#refuse(`storage "${key}" has ${known.size} ${known.dtype} here and ${size} ${dtype} there`);
    const whole = new PickledStorage(dtype, key, size);
    this.storages.set(key, whole);
    if (view === undefined || view === null) return whole;
    const [, offset, length] = Array.isArray(view) ? (view as readonly unknown[]) : [];
    if (!isSize(offset) || !isSize(length) || offset + length > size)
      this.#refuse(`storage "${key}" of ${size} has a view that is not in it`);
    return new PickledStorage(dtype, key, size, { offset, size: length });
  }

  #call(callee: Value, input: Value): Value {
    if (!(callee instanceof Global) || !Array.isArray(input))
      this.#refuse('it calls something that is no name');
    const list = input as readonly unknown[];
    if (callee.name === ORDERED) return new Map();
    if (callee.name === PARAMETER) return list[0];
    if (callee.name !== REBUILD && callee.name !== REBUILD_OLD) this.#refuse(`it calls ${callee.name}`);
    // behind the strides: requires_grad, hooks, and marks as `conj` and `neg`, which change the numbers
    const [storage, offset, shape, strides, , , marks] = list;
    if (!(storage instanceof PickledStorage) || !isSize(offset) || !areSizes(shape) || !areSizes(strides))
      this.#refuse('a tensor is described in a way that is not known');
    if (shape.length !== strides.length)
      this.#refuse(`a tensor has shape [${shape.join(', ')}] and strides [${strides.join(', ')}]`);
    if (marks instanceof Map && marks.size > 0)
      this.#refuse(
        `a tensor is marked ${JSON.stringify([...marks.keys()].find((key) => typeof key === 'string'))}`,
      );
    return new PickledTensor(storage, offset, shape, strides);
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  #word(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** A number; a bigint where it is too large for one, as the magic number of old files is. */
  #long(): number | bigint {
    const length = this.#byte();
    if (length === 0) return 0;
    if (length > MOST_LONG_BYTES) this.#refuse(`a whole number has ${length} bytes`);
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] ?? 0);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
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
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    if (!this.#memo.has(index)) this.#refuse(`it recalls ${index}, which it never kept`);
    this.#push(this.#memo.get(index));
  }

  #append(items: readonly Value[]): void {
    const top = this.#top();
    if (!Array.isArray(top)) return this.#refuse('something that is no list gets items');
    for (const item of items) top.push(item); // more of them than a call takes arguments
  }

  /** @param items keys and values in turns */
  #setItems(items: readonly Value[]): void {
    if (items.length % 2 !== 0) this.#refuse('a dictionary gets a key without a value');
    const top = this.#top();
    if (!(top instanceof Map)) return this.#refuse('something that is no dictionary gets items');
    for (let i = 0; i < items.length; i += 2) top.set(items[i], items[i + 1]);
  }

  #top(): Value {
    const top = this.#pop();
    this.#push(top);
    return top;
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
