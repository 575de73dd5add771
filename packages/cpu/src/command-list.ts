import { fail, type ForeignCall } from '@cria/tensor';
import { call, codes, type CommandSink, copy, free, type Place, together } from './generated/commands.ts';
import type { Native } from './native.ts';

const MOST_CALL_NUMBERS = 48;
const FIRST_CAPACITY = 1 << 12;
const FIRST_STAGING = 1 << 18;

export type { Place } from './generated/commands.ts';

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
 * Commands that wait to be run: `code, length, arguments…` as doubles, in the layout of
 * commands.mjs. Also the bytes that were written while commands waited: they lie in a staging
 * storage until a copy command takes them to their place.
 */
export class CommandList implements CommandSink {
  readonly #native: Native;
  #numbers = new Float64Array(FIRST_CAPACITY);
  /** End of the last whole command; a refused one leaves nothing behind it. */
  #length = 0;
  /** Commands since `together` began. */
  #members = 0;
  #open = false;
  #calls: NamedCall[] = [];
  #staging = 0;
  #stagingSize = 0;
  #staged = 0;

  constructor(native: Native) {
    this.#native = native;
  }

  get numbers(): Float64Array {
    return this.#numbers;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Makes room for a command of so many numbers, its code and length set, and says where its
   * arguments begin: generated/commands.ts.
   */
  open(code: number, length: number): number {
    const start = this.#length;
    while (start + length > this.#numbers.length) this.#grow();
    this.#numbers[start] = code;
    this.#numbers[start + 1] = length;
    this.#length = start + length;
    this.#members++;
    return start + 2;
  }

  /**
   * The commands that `encode` appends run as one, chunk beside chunk: none of them may read or
   * free what another one writes. If it throws, none of them stays.
   */
  together(encode: () => void): void {
    const start = this.#length;
    together(this, { members: 0 });
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
    call(this, { address, context, numbers });
  }

  /** The name of the call at a position. */
  nameOf(position: number): string | undefined {
    return this.#calls.find(({ at }) => at === position)?.name;
  }

  /** Frees what the commands from a position on, which were not run, would have freed. */
  freeFrom(position: number): void {
    const numbers = this.#numbers;
    for (let at = position; at < this.#length; at += numbers[at + 1]!)
      if (numbers[at] === codes.free) this.#native.free(numbers[at + 2]!);
  }

  /** Inside `together`: the list cannot be run now. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Memory goes back when the commands before are done. */
  free(storage: number): void {
    free(this, { storage });
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
    copy(this, { to, from, bytes });
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

/** A list of one command. */
export class SingleCommand implements CommandSink {
  numbers = new Float64Array(0);

  open(code: number, length: number): number {
    this.numbers = new Float64Array(length);
    this.numbers.set([code, length]);
    return 2;
  }
}
