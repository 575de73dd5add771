import type { Parameter, ParameterPart, ParameterSpace, Step, Tensor, VocabularyPart } from '@cria/tensor';
import { type ParameterHome, parameterSpace } from './layer.ts';

export type EmbeddingOptions = ParameterHome & {
  /** The parameter's name in checkpoints: `tok_embeddings.weight`. */
  readonly name: string;
  /** V */
  readonly vocabSize: number;
  /** D */
  readonly dim: number;
  /** Standard deviation of the initial table; default 0.02. */
  readonly std?: number;
  /** Where the table is a part of a larger one: which; default the whole. */
  readonly shard?: ParameterPart;
};

export interface EmbeddingLayer {
  readonly weight: Parameter;
  forward(tokens: Tensor, step: Step): Tensor;
  backward(dy: Tensor, step: Step): void;
}

/** The ids whose rows a parameter [V, D] holds; undefined where they are all. */
export function vocabularyPart({ part }: Parameter): VocabularyPart | undefined {
  return part && { first: part.begin[0]!, of: part.of[0]! };
}

/**
 * y[t] = table[tokens[t]]                                               tokens: i32 [T]   table: [V, D]   y: [T, D]
 * Of a table that is a part of the rows, tokens of other parts give zeros, and no gradient.
 */
export class Embedding implements EmbeddingLayer {
  readonly parameters: ParameterSpace;
  readonly weight: Parameter;

  constructor(options: EmbeddingOptions) {
    const { name, vocabSize, dim, std = 0.02, shard: part } = options;
    this.parameters = parameterSpace('embedding', options);
    this.weight = this.parameters.add(name, [vocabSize, dim], { init: { normal: std }, decay: true, part });
  }

  forward(tokens: Tensor, step: Step): Tensor {
    const y = step.empty([tokens.size, this.weight.shape[1]!]);
    step.device.kernels.embedding(y, tokens, this.weight.value, vocabularyPart(this.weight));
    if (this.weight.trainable) step.save(tokens);
    return y;
  }

  /** dtable[tokens[t]] += dy[t], after what others add to a shared table; token ids have no gradient. */
  backward(dy: Tensor, step: Step): void {
    if (!this.weight.trainable) return;
    const tokens = step.restore();
    const part = vocabularyPart(this.weight);
    const add = (grad: Tensor) => step.device.kernels.embeddingGrad(grad, dy, tokens, part);
    if (this.weight.shared) step.addLater(this.weight, add, [dy, tokens]);
    else add(step.gradient(this.weight));
    step.release(tokens);
  }
}
