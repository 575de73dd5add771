import { describe, fail, type ForeignCall, type Tensor } from '@cria/tensor';
import type { Native } from './native.ts';

/** Room that a single command may take. */
const MOST_NUMBERS = 64;
const MOST_CALL_NUMBERS = 48;
const FIRST_CAPACITY = 1 << 12;
const FIRST_STAGING = 1 << 18;

/** A place in memory: a tensor's, or one of the device's own. */
export interface Place {
  readonly storage: number;
  readonly offset: number;
}

/** Where in a list, or in a part of one, a call begins, and its name. */
interface NamedCall {
  readonly at: number;
  readonly name: string;
}

/** Whole commands of a list, to be appended again. */
export interface Commands {
  readonly numbers: Float64Array;
  readonly calls: readonly NamedCall[];
}

/**
 * Commands that wait to be run: `code, length, arguments…` as doubles, in the layout that cpp/kernels read. Also the bytes that were
 * written while commands waited: they lie in a staging storage until a copy command takes them to their place.
 */
export class CommandList {
  readonly #native: Native;
  readonly #codes: Readonly<Record<string, number>>;
  readonly #operations: number;
  #numbers = new Float64Array(FIRST_CAPACITY);
  /** End of the last whole command; a refused one leaves nothing behind it. */
  #length = 0;
  #next = 0;
  /** Commands since `together` began. */
  #members = 0;
  #open = false;
  #calls: NamedCall[] = [];
  #staging = 0;
  #stagingSize = 0;
  #staged = 0;

  constructor(native: Native, codes: Readonly<Record<string, number>>) {
    this.#native = native;
    this.#codes = codes;
    this.#operations = Object.keys(codes).length;
  }

  get numbers(): Float64Array {
    return this.#numbers;
  }

  get length(): number {
    return this.#length;
  }

  /** Begins a command, in the variant of a dtype; its arguments follow in order, then `end`. */
  begin(operation: string, dtype = 0): this {
    if (this.#length + MOST_NUMBERS > this.#numbers.length) this.#grow();
    this.#numbers[this.#length] = this.#codes[operation]! + this.#operations * dtype;
    this.#next = this.#length + 2;
    return this;
  }

  /** A plain f32 tensor. */
  f32(tensor: Tensor): this {
    if (tensor.dtype !== 'f32') refuse(tensor);
    return this.place(tensor);
  }

  /** As `f32`; an absent one is "not given". */
  optional(tensor: Tensor | undefined): this {
    if (tensor) return this.f32(tensor);
    return this.number(0).number(0);
  }

  place({ storage, offset }: Place): this {
    return this.number(storage).number(offset);
  }

  number(value: number): this {
    this.#numbers[this.#next++] = value;
    return this;
  }

  flag(value: boolean | undefined): this {
    return this.number(value ? 1 : 0);
  }

  end(): void {
    this.#numbers[this.#length + 1] = this.#next - this.#length;
    this.#length = this.#next;
    this.#members++;
  }

  /**
   * The commands that `encode` appends run as one, chunk beside chunk: none of them may read or free what another one writes. If it
   * throws, none of them stays.
   */
  together(encode: () => void): void {
    const start = this.#length;
    this.begin('together');
    this.#length += 3;
    this.#members = 0;
    this.#open = true;
    try {
      encode();
      this.#numbers[start + 1] = this.#length - start;
      this.#numbers[start + 2] = this.#members;
    } catch (error) {
      this.#length = start;
      throw error;
    } finally {
      this.#open = false;
    }
  }

  /** The commands from a length of this list on. */
  since(start: number): Commands {
    const calls = this.#calls.filter(({ at }) => at >= start);
    return {
      numbers: this.#numbers.slice(start, this.#length),
      calls: calls.map(({ at, name }) => ({ at: at - start, name })),
    };
  }

  /** Whole commands, as `since` gave them. */
  append({ numbers, calls }: Commands): void {
    while (this.#length + numbers.length > this.#numbers.length) this.#grow();
    this.#numbers.set(numbers, this.#length);
    for (const { at, name } of calls) this.#calls.push({ at: this.#length + at, name });
    this.#length += numbers.length;
  }

  /** Another engine's work, by the address of its function. */
  call(name: string, { address, context, numbers }: NonNullable<ForeignCall['native']>): void {
    if (numbers.length > MOST_CALL_NUMBERS)
      fail('cpu.call', `"${name}" has ${numbers.length} numbers.`, `at most ${MOST_CALL_NUMBERS}`);
    if (!(Number.isSafeInteger(address) && address > 0))
      fail('cpu.call', `"${name}" has ${address} as the address of its function.`);
    this.#calls.push({ at: this.#length, name });
    this.begin('call').number(address).number(context);
    for (const number of numbers) this.number(number);
    this.end();
  }

  /** The name of the call at a position. */
  nameOf(position: number): string | undefined {
    return this.#calls.find(({ at }) => at === position)?.name;
  }

  /** Frees what the commands from a position on, which were not run, would have freed. */
  freeFrom(position: number): void {
    const numbers = this.#numbers;
    for (let at = position; at < this.#length; at += numbers[at + 1]!)
      if (numbers[at] === this.#codes['free']) this.#native.free(numbers[at + 2]!);
  }

  /** Inside `together`: the list cannot be run now. */
  get open(): boolean {
    return this.#open;
  }

  /** Memory goes back when the commands before are done. */
  free(storage: number): void {
    this.begin('free').number(storage).end();
  }

  /** Bytes arrive at their place after the commands before. */
  write(to: Place, data: Uint8Array): void {
    if (data.byteLength > FIRST_STAGING) {
      const storage = allocate(this.#native, data.byteLength);
      this.#native.write(storage, 0, data);
      this.copy(to, { storage, offset: 0 }, data.byteLength);
      this.free(storage);
      return;
    }
    if (this.#staged + data.byteLength > this.#stagingSize) {
      if (this.#staging > 0) this.free(this.#staging);
      this.#stagingSize = FIRST_STAGING;
      this.#staging = allocate(this.#native, this.#stagingSize);
      this.#staged = 0;
    }
    this.#native.write(this.#staging, this.#staged, data);
    this.copy(to, { storage: this.#staging, offset: this.#staged }, data.byteLength);
    this.#staged += Math.ceil(data.byteLength / 64) * 64;
  }

  copy(to: Place, from: Place, bytes: number): void {
    this.begin('copy').place(to).place(from).number(bytes).end();
  }

  /** Forgets what has been run. */
  reset(): void {
    this.#length = 0;
    this.#calls = [];
    this.#staged = 0;
  }

  dispose(): void {
    if (this.#staging > 0) this.#native.free(this.#staging);
    this.#staging = this.#stagingSize = 0;
    this.reset();
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#numbers.length);
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** Memory from the native side; throws where there is none. */
export function allocate(native: Native, bytes: number): number {
  const storage = native.alloc(bytes);
  if (storage === 0)
    fail(
      'cpu.allocate',
      `the system gave no memory of ${bytes} bytes.`,
      'use a smaller batch or model, or free tensors',
    );
  return storage;
}

function refuse(tensor: Tensor): never {
  fail('cpu', `expected f32, not ${describe(tensor)}.`, 'cast it first, or use the reference device');
}
