import type { Abilities } from './abilities.ts';
import { byteLength, type ComputeDType } from './dtype.ts';
import { fail } from './errors.ts';
import type { Stretch } from './flat-memory.ts';
import type { Parameter } from './parameter.ts';

/**
 * Every parameter starts at a multiple of this many elements at least, so that vectors and pages
 * line up in every dtype.
 */
const ELEMENT_ALIGNMENT = 64;

/** What a device wants of memory, and the dtypes that flat memory of the layout will have. */
export type LayoutLimits = Pick<Abilities, 'storageLimit' | 'offsetAlignment'> & {
  readonly dtypes: readonly ComputeDType[];
};

/**
 * Where parameters lie in a flat space, decayed ones first: the same for values, gradients and
 * states, of whatever width. Cut into segments that a storage can hold where the device has a
 * limit.
 */
export class FlatLayout {
  /** In the order in which they were declared. */
  readonly parameters: readonly Parameter[];
  readonly segments: readonly Stretch[];
  readonly decayedSize: number;
  readonly #offsets: ReadonlyMap<Parameter, number>;

  constructor(parameters: readonly Parameter[], limits: LayoutLimits) {
    const bytes = limits.dtypes.map((dtype) => byteLength(dtype, 1));
    const alignment = Math.max(ELEMENT_ALIGNMENT, limits.offsetAlignment / Math.min(...bytes));
    const most = Math.floor(limits.storageLimit / Math.max(...bytes) / alignment) * alignment;
    const offsets = new Map<Parameter, number>();
    const segments: Stretch[] = [];
    let [begin, end] = [0, 0];
    const place = (parameter: Parameter) => {
      const size = Math.ceil(parameter.size / alignment) * alignment;
      if (size > most)
        fail(
          'parameters.allocate',
          `${parameter.name} has ${parameter.size} elements, a storage of this device ${most}.`,
        );
      if (end - begin + size > most) {
        segments.push({ begin, end });
        begin = end;
      }
      offsets.set(parameter, end);
      end += size;
    };
    for (const parameter of parameters) if (parameter.decay) place(parameter);
    this.decayedSize = end;
    for (const parameter of parameters) if (!parameter.decay) place(parameter);
    if (end > begin) segments.push({ begin, end });
    this.parameters = parameters;
    this.segments = segments;
    this.#offsets = offsets;
  }

  /** Elements, padding included. */
  get size(): number {
    return this.segments.at(-1)?.end ?? 0;
  }

  has(parameter: Parameter): boolean {
    return this.#offsets.has(parameter);
  }

  offsetOf(parameter: Parameter): number | undefined {
    return this.#offsets.get(parameter);
  }
}
