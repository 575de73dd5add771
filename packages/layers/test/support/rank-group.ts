import { type ForeignCall, fail, type Step, type Tensor } from '@cria/tensor';
import { loadNativeCalls } from '../../../../scripts/support/native-calls.ts';

/** What all ranks share: memory for sums in JavaScript, or a native group's address. */
export interface Meeting {
  readonly size: number;
  /** [size, capacity] numbers, behind two counters. */
  readonly shared: SharedArrayBuffer;
  readonly native: { readonly file: string; readonly context: number } | undefined;
}

const COUNTERS = 16;

export function meeting(size: number, capacity: number, native: Meeting['native']): Meeting {
  return { size, shared: new SharedArrayBuffer(COUNTERS + 8 * size * capacity), native };
}

/**
 * One rank's end of a group whose ranks are threads of one process: all-reduces in the order of
 * ranks, as calls in the device's list.
 */
export class RankGroup {
  readonly rank: number;
  readonly size: number;
  /** Sizes of the reductions so far. */
  readonly log: number[] = [];
  readonly #meeting: Meeting;
  readonly #counters: Int32Array;
  readonly #numbers: Float64Array;
  readonly #capacity: number;

  constructor(rank: number, meeting: Meeting) {
    this.rank = rank;
    this.size = meeting.size;
    this.#meeting = meeting;
    this.#counters = new Int32Array(meeting.shared, 0, 2);
    this.#numbers = new Float64Array(meeting.shared, COUNTERS);
    this.#capacity = this.#numbers.length / meeting.size;
  }

  /** x = Σ (or max) over ranks of x */
  allReduce(x: Tensor, step: Pick<Step, 'device'>, max = false): void {
    const { call } = step.device.abilities;
    if (!call) fail('group', `${step.device.name} takes no calls.`);
    this.log.push(x.size);
    const { native } = this.#meeting;
    const { storage, offset, size } = x;
    call({
      name: 'all-reduce',
      ...(native && {
        native: {
          address: loadNativeCalls(native.file).allReduce,
          context: native.context,
          numbers: [this.rank, storage, offset, size, max ? 1 : 0],
        },
      }),
      host: (memory) => this.#reduce(x, memory, max),
    });
  }

  /** out[r] = x of rank r, as a sum in which each rank has its own part alone. */
  allGather(out: Tensor, x: Tensor, step: Pick<Step, 'device'>): void {
    const { kernels } = step.device;
    kernels.fill(out, 0);
    kernels.cast(out.slice(this.rank, this.rank + 1), x);
    this.allReduce(out, step);
  }

  #reduce({ storage, offset, dtype, byteLength, size }: Tensor, memory: Memory, max: boolean): void {
    if (dtype !== 'f64') fail('group', `no sums of ${dtype} in JavaScript.`);
    if (size > this.#capacity) fail('group', `${size} numbers for a group of ${this.#capacity}.`);
    const own = new Float64Array(memory.read(storage, offset, byteLength).buffer);
    this.#numbers.set(own, this.rank * this.#capacity);
    this.#meet();
    for (let i = 0; i < size; i++) {
      let sum = this.#numbers[i]!;
      for (let rank = 1; rank < this.size; rank++) {
        const x = this.#numbers[rank * this.#capacity + i]!;
        sum = max ? Math.max(sum, x) : sum + x;
      }
      own[i] = sum;
    }
    this.#meet();
    memory.write(storage, offset, new Uint8Array(own.buffer));
  }

  /** Waits until every rank is here. */
  #meet(): void {
    const [arrived, round] = [0, 1];
    const now = Atomics.load(this.#counters, round);
    if (Atomics.add(this.#counters, arrived, 1) + 1 === this.size) {
      Atomics.store(this.#counters, arrived, 0);
      Atomics.add(this.#counters, round, 1);
      Atomics.notify(this.#counters, round);
    } else if (Atomics.wait(this.#counters, round, now, 30_000) === 'timed-out') {
      fail('group', `rank ${this.rank} waited 30 s in reduction ${this.log.length}.`);
    }
  }
}

type Memory = Parameters<ForeignCall['host']>[0];
