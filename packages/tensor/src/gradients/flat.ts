import type { FlatMemory } from '../flat-memory.ts';
import type { Parameter } from '../parameter.ts';
import type { Tensor } from '../tensor.ts';
import type { GradientStore } from './store.ts';

/** Gradients in a flat space of their own, with the offsets of the values. */
export class FlatGradients implements GradientStore {
  readonly flat: FlatMemory;
  readonly #views: ReadonlyMap<Parameter, Tensor>;

  constructor(flat: FlatMemory, views: ReadonlyMap<Parameter, Tensor>) {
    this.flat = flat;
    this.#views = views;
  }

  find(parameter: Parameter): Tensor | undefined {
    return this.#views.get(parameter);
  }

  reach(parameter: Parameter): Tensor {
    return this.#views.get(parameter)!; // it was attached to this store with its view
  }

  clear(): void {
    for (const tensor of this.flat.tensors) this.flat.device.kernels.fill(tensor, 0);
  }

  free(): void {
    this.flat.free();
  }
}
