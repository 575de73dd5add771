import {
  checkOptions,
  describe,
  type Device,
  fail,
  type Parameter,
  ParameterSpace,
  type RopePairing,
  type Step,
  type StorageId,
  type Tensor,
} from '@cria/tensor';
import type { LlamaConfig } from './config.ts';
import type { LossLayer } from './cross-entropy.ts';
import { defaultFactories } from './default-factories.ts';
import type { EmbeddingLayer } from './embedding.ts';
import type { Factories } from './factories.ts';
import type { BlockLayer, NormLayer } from './layer.ts';
import type { LinearLayer } from './linear-layer.ts';
import { packParameters } from './pack.ts';
import { RotaryEmbedding } from './rotary-embedding.ts';

export interface StageOptions {
  readonly device: Device;
  /** Parts to make otherwise: adapters, quantised weights, shards. */
  readonly factories?: Partial<Factories>;
  /** Which elements RoPE turns together: `adjacent` (default) for Meta's order of wq and wk rows, `half` for HF's. */
  readonly pairing?: RopePairing;
  /** First block of the stage; default 0, and then it begins with the embedding. */
  readonly from?: number;
  /** The block behind its last; default all, and then it ends with the head. */
  readonly to?: number;
}

/** What follows the blocks. */
export interface Head {
  readonly norm: NormLayer;
  /** [V, D]; its weight is the embedding's where embeddings are tied. */
  readonly output: LinearLayer;
  readonly loss: LossLayer;
}

/**
 * A run of a LLaMA's layers, `embedding | blocks [from, to) | head`: the whole model, or what one
 * rank of a pipeline has. The stage that begins with block 0 takes token ids, every other one the
 * hidden states that the stage before it gave. Parameters have the names that they have in the
 * whole, and draw the same values.
 */
export class LlamaStage implements Disposable {
  readonly config: LlamaConfig;
  readonly device: Device;
  readonly parameters: ParameterSpace;
  readonly rope: RotaryEmbedding;
  readonly embedding: EmbeddingLayer | undefined;
  readonly blocks: readonly BlockLayer[];
  readonly head: Head | undefined;
  /**
   * The table that the first and the last stage of a model with tied embeddings both have: their
   * gradients belong together.
   */
  readonly tied: Parameter | undefined;
  /** Whether steps of one shape encode the same commands: parts of the caller's may not, unless they say so. */
  readonly repeats: boolean;
  readonly #linears: LinearLayer[] = [];
  #packed: readonly StorageId[] = [];

  constructor(config: LlamaConfig, options: StageOptions) {
    checkOptions('llama', options, ['device', 'factories', 'pairing', 'from', 'to']);
    checkOptions('llama.factories', options.factories ?? {}, Object.keys(defaultFactories));
    const { device, pairing = 'adjacent', from = 0, to = config.nLayers } = options;
    checkRange(from, to, config.nLayers);
    const { dim, vocabSize, headDim, ropeTheta: theta, ropeScaling: scaling } = config;
    const factories = this.#remembering({ ...defaultFactories, ...options.factories });
    const parameters = new ParameterSpace(device);
    this.config = config;
    this.device = device;
    this.parameters = parameters;
    this.repeats = options.factories === undefined || options.factories.repeats === true;
    this.rope = new RotaryEmbedding({ device, headDim, theta, scaling, pairing });
    const table = () => factories.embedding({ parameters, name: 'tok_embeddings.weight', vocabSize, dim });
    const [first, last] = [from === 0, to === config.nLayers];
    this.embedding = first ? table() : undefined;
    this.blocks = Array.from({ length: to - from }, (_, i) =>
      factories.block({ parameters, config, index: from + i, rope: this.rope, factories }),
    );
    const { tiedEmbeddings } = config;
    // A last stage without the embedding has a copy of its table.
    const weight = tiedEmbeddings && last ? (this.embedding ?? table()).weight : undefined;
    this.head = last ? makeHead(config, parameters, factories, weight) : undefined;
    this.tied = tiedEmbeddings && first !== last ? (weight ?? this.embedding?.weight) : undefined;
  }

  /**
   * Hidden states, after the final norm where the stage has a head.
   * x: tokens, i32 [T], or hidden states, [T, D]   result: [T, D]
   */
  forward(x: Tensor, step: Step): Tensor {
    this.checkStep(step);
    this.#checkInput(x);
    let y = this.embedding ? this.embedding.forward(x, step) : x;
    for (const block of this.blocks) {
      const next = block.forward(y, step);
      if (y !== x) step.release(y);
      y = next;
    }
    if (!this.head) return y;
    const hidden = this.head.norm.forward(y, step);
    step.release(y);
    return hidden;
  }

  /**
   * Cross entropy of every row, by the last stage.
   * x: as `forward` takes   targets: i32 [T]   result: [T]
   */
  loss(x: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor {
    const { head } = this;
    if (!head)
      return fail('llama.loss', 'this stage has no head.', 'the last stage of a model has the losses');
    const hidden = this.forward(x, step);
    const losses = head.loss.forward(hidden, targets, step, weights);
    step.release(hidden);
    return losses;
  }

  /**
   * The gradient of what `forward` took, [T, D]; undefined where that was token ids. `dy` is the
   * gradient of what it gave, and is taken over where the stage has no head; after `loss` there is
   * none.
   */
  backward(step: Step, dy?: Tensor): Tensor | undefined {
    let dx = this.#headBackward(step, dy);
    for (const block of this.blocks.toReversed()) dx = block.backward(dx, step);
    if (!this.embedding) return dx;
    this.embedding.backward(dx, step);
    step.release(dx);
    return undefined;
  }

  /** Refuses steps of another device, and positions outside the context. */
  checkStep(step: Step): void {
    const { contextLength } = this.config;
    if (step.maxPosition >= contextLength) {
      fail(
        'llama.forward',
        `position ${step.maxPosition} lies outside the context of ${contextLength} tokens.`,
        'cut the sequence',
      );
    }
    if (step.device !== this.device)
      fail('llama.forward', `the step is of ${step.device.name}, the model of ${this.device.name}.`);
  }

  /** See `Llama.pack`. */
  pack(): void {
    this.#packed = packParameters(this.parameters, this.#linears);
  }

  /** Gives all memory of the stage back. */
  [Symbol.dispose](): void {
    this.rope.free();
    for (const linear of this.#linears) linear.free();
    this.parameters.free();
    for (const storage of this.#packed) this.device.free(storage);
    this.#packed = [];
  }

  #headBackward(step: Step, dy: Tensor | undefined): Tensor {
    const { head } = this;
    if (!head)
      return (
        dy ??
        fail('llama.backward', 'this stage has no losses to begin with.', 'give dy, from the stage behind it')
      );
    const dhidden = dy ?? head.loss.backward(step);
    const dx = head.norm.backward(dhidden, step);
    if (!dy) step.release(dhidden);
    return dx;
  }

  #checkInput(x: Tensor): void {
    const tokens = x.dtype === 'i32';
    if (tokens === (this.embedding !== undefined)) return;
    const wanted = tokens ? 'hidden states' : 'token ids';
    fail(
      'llama.forward',
      `this stage takes ${wanted}, not ${describe(x)}.`,
      'the first stage takes token ids',
    );
  }

  /** The factories, with every linear layer kept for `pack` and the end. */
  #remembering(factories: Factories): Factories {
    const linear: Factories['linear'] = (options) => {
      const made = factories.linear(options);
      this.#linears.push(made);
      return made;
    };
    return { ...factories, linear };
  }
}

function makeHead(
  { dim, vocabSize, normEps: eps }: LlamaConfig,
  parameters: ParameterSpace,
  factories: Factories,
  weight: Parameter | undefined,
): Head {
  const norm = factories.norm({ parameters, name: 'norm.weight', dim, eps });
  const output = factories.linear({
    parameters,
    name: 'output.weight',
    part: 'output',
    inFeatures: dim,
    outFeatures: vocabSize,
    ...(weight && { weight }),
  });
  return { norm, output, loss: factories.loss({ output }) };
}

function checkRange(from: number, to: number, blocks: number): void {
  const whole = Number.isInteger(from) && Number.isInteger(to);
  if (!(whole && 0 <= from && from < to && to <= blocks))
    fail(
      'llama',
      `blocks ${from} to ${to} are no stage of a model of ${blocks}.`,
      'give 0 ≤ from < to ≤ nLayers',
    );
}
