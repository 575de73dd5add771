import { productShape } from './linear.ts';
import { ALL_RAN, movedOutcome } from './outcome.ts';

/** What the commands of one kind took. A kernel may be several commands: packing, then a product. */
export interface OperationTime {
  /** The native operation: `gemm`, `adamw`, `rmsNormGrad`, … */
  readonly operation: string;
  /** What distinguishes commands of one operation: the shape of a product, rows x columns x depth; else empty. */
  readonly shape: string;
  /** Dtype of the command, of several the one that decides the arithmetic. */
  readonly dtype: string;
  readonly commands: number;
  readonly seconds: number;
}

/** Dtypes of commands, in the order of their codes: `Dtype` in cpp/command.h. */
const dtypeNames = ['f32', 'bf16', 'f16'] as const;

/** Runs a part of a list: how it ended (outcome.ts). */
type Run = (part: Float64Array) => number;

/** Times commands one by one, which takes a microsecond or two of each: threads meet after every command anyway. */
export class Profile {
  readonly #operations: readonly string[];
  readonly #times = new Map<string, OperationTime>();

  constructor(operations: readonly string[]) {
    this.#operations = operations;
  }

  /** Runs a whole list, or as far as it goes. */
  run(list: Float64Array, run: Run): number {
    for (let at = 0; at < list.length; at += list[at + 1]!) {
      const start = performance.now();
      const outcome = run(list.subarray(at, at + list[at + 1]!));
      if (outcome !== ALL_RAN) return movedOutcome(outcome, at);
      this.#add(list, at, (performance.now() - start) / 1000);
    }
    return ALL_RAN;
  }

  /** The longest first. */
  get times(): readonly OperationTime[] {
    return [...this.#times.values()].sort((a, b) => b.seconds - a.seconds);
  }

  #add(list: Float64Array, at: number, spent: number): void {
    const code = list[at]!;
    const operation = this.#operations[code % this.#operations.length]!;
    const dtype = dtypeNames[Math.floor(code / this.#operations.length)]!;
    const shape = operation === 'gemm' ? productShape(list, at) : '';
    const key = [operation, dtype, shape].join(' ');
    const { commands, seconds } = this.#times.get(key) ?? { commands: 0, seconds: 0 };
    this.#times.set(key, { operation, dtype, shape, commands: commands + 1, seconds: seconds + spent });
  }
}
