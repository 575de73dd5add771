import type { ParameterSpace } from '@cria/tensor';
import type { LinearFactory, LinearLayer, LinearOptions, LinearPart } from './linear-layer.ts';

/** What the linear parts of one layer of a block share. */
interface Home {
  readonly parameters: ParameterSpace;
  /** Prefix of their names: `layers.0.attention`. */
  readonly name: string;
  /** Number of the block. */
  readonly layer: number;
}

type Shape = Pick<LinearOptions, 'inFeatures' | 'outFeatures' | 'std' | 'bias'>;

/** How a layer of a block makes its linear parts: their names, and what they are, said once. */
export function partMaker(linear: LinearFactory, { parameters, name, layer }: Home) {
  return (part: LinearPart, weight: string, shape: Shape): LinearLayer =>
    linear({ parameters, name: `${name}.${weight}.weight`, part, layer, ...shape });
}
