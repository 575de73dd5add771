import { fail } from './errors.ts';
import type { FlatMemory } from './flat-memory.ts';

/**
 * The f32 values behind values in halves, which are these rounded: a state like any other, kept by
 * whoever changes values.
 */
export const MASTERS = 'masters';

/**
 * What optimizers keep of every element: flat memory by name, with the offsets of the values. AdamW
 * asks for `exp_avg` and `exp_avg_sq`, an optimizer with momentum for one.
 */
export class StateSpace {
  readonly #take: () => FlatMemory;
  readonly #states = new Map<string, FlatMemory>();

  /** `take` gives zeroed memory of the space's layout. */
  constructor(take: () => FlatMemory) {
    this.#take = take;
  }

  /** In the order in which they were asked for. */
  get names(): readonly string[] {
    return [...this.#states.keys()];
  }

  has(name: string): boolean {
    return this.#states.has(name);
  }

  /** The state of this name, zeroed memory where it is new. */
  add(name: string): FlatMemory {
    const state = this.#states.get(name) ?? this.#take();
    this.#states.set(name, state);
    return state;
  }

  get(name: string): FlatMemory {
    return (
      this.#states.get(name) ??
      fail(
        'parameters.states',
        `there is no state "${name}"; there is ${this.names.join(', ') || 'none'}.`,
        'an optimizer adds what it keeps; without one call allocate({ states })',
      )
    );
  }

  free(): void {
    for (const state of this.#states.values()) state.free();
    this.#states.clear();
  }
}
