import type { Device } from '../device.ts';
import type { ComputeDType, DType } from '../dtype.ts';

/** What one device must pass. */
export interface Check {
  /** The part of the contract: a kernel's name, `batch invariance`, … */
  readonly group: string;
  readonly name: string;
  /** Throws an error that names the first wrong element. */
  readonly run: () => Promise<void>;
}

/** Makes a device; undefined where this machine has none of its kind. */
export type CreateDevice = (options?: { readonly threads?: number }) => Device | undefined;

export interface ConformanceOptions {
  /** Numbers of threads at which all bits must be equal; default none: the device has no such option. */
  readonly threads?: readonly number[];
  /** Storage dtypes of weights that `linear` takes besides the compute dtype; default none. */
  readonly weights?: readonly DType[];
  /** Compute dtypes to check; default all that the device claims. */
  readonly dtypes?: readonly ComputeDType[];
  /** Run every case over all of its shapes, or over one with tails and edges; default all. */
  readonly shapes?: 'all' | 'one';
  /** Only checks whose `group: name` matches; default all. */
  readonly only?: RegExp;
}

/** What the groups of checks are made from. */
export interface Subject {
  readonly device: Device;
  readonly create: CreateDevice;
  readonly dtypes: readonly ComputeDType[];
  readonly weights: readonly DType[];
  readonly threads: readonly number[];
  readonly shapes: 'all' | 'one';
}
