import { IGNORE_TARGET } from './kernels.ts';

/** What bounds a list of integers: enough to see that none of them leads outside the memory it is an index of. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
  /** The least of those that are not −100, the target that counts nothing. */
  readonly leastId: number;
  /** First and last element where none is less than the one before it; undefined where one is. */
  readonly ascent: readonly [first: number, last: number] | undefined;
}

/** Of no elements: inside of everything. */
const nothing = { least: Infinity, most: -Infinity, leastId: Infinity };

export function boundsOf(values: ArrayLike<number>): Bounds {
  let { least, most, leastId } = nothing;
  let ascends = values.length > 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < least) least = value;
    if (value > most) most = value;
    if (value !== IGNORE_TARGET && value < leastId) leastId = value;
    if (i > 0 && value < values[i - 1]) ascends = false;
  }
  return { least, most, leastId, ascent: ascends ? [values[0], values[values.length - 1]] : undefined };
}

/**
 * What the host knows of the integers that a tensor and its views hold, from what was written into
 * them. Devices follow indices without a look; this lets the checks above them look without reading
 * anything back.
 */
export class KnownIntegers {
  /** Elements of the tensor that the memory was taken for. */
  readonly size: number;
  #bounds: Bounds | undefined;

  constructor(size: number) {
    this.size = size;
  }

  /** Of all elements, or of more values than there are; undefined where nothing is known. */
  get bounds(): Bounds | undefined {
    return this.#bounds;
  }

  /** Of some of the elements. */
  of(count: number): Bounds | undefined {
    return this.#bounds && count < this.size ? { ...this.#bounds, ascent: undefined } : this.#bounds;
  }

  /** Values took the place of so many elements; undefined: nobody knows which. */
  replaced(count: number, by: Bounds | undefined): void {
    if (count === 0) return;
    if (count === this.size || by === undefined) this.#bounds = by;
    else if (this.#bounds) this.#bounds = union(this.#bounds, by);
  }
}

function union(a: Bounds, b: Bounds): Bounds {
  return {
    least: Math.min(a.least, b.least),
    most: Math.max(a.most, b.most),
    leastId: Math.min(a.leastId, b.leastId),
    ascent: undefined,
  };
}
