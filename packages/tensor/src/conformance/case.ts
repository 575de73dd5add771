import type { DType } from '../dtype.ts';
import type { Kernels } from '../kernels.ts';
import type { Tensor } from '../tensor.ts';
import type { Bench } from './bench.ts';

/** One call of a kernel (and what must run before it) over operands from a bench; returns what to compare. */
export interface Case {
  readonly kernel: keyof Kernels;
  /** Sizes and options, for messages; also the seed of the operands. */
  readonly name: string;
  readonly run: (bench: Bench) => Readonly<Record<string, Tensor>>;
  /** Results are exact in any order of summation: equality up to one rounding is asked instead of closeness. */
  readonly exact?: boolean;
}

/** What the cases depend on besides the compute dtype. */
export interface CaseOptions {
  /** Storage dtypes of weights that `linear` takes, besides the compute dtype itself. */
  readonly weights: readonly DType[];
  /** Default all. */
  readonly shapes?: 'all' | 'one';
}
