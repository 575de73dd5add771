import { checkOptions, fail, IGNORE_TARGET, type ParameterSpace, type Step, type Tensor } from '@cria/tensor';
import type { Device } from '@cria/tensor';
import type { LlamaConfig } from './config.ts';
import type { EmbeddingLayer } from './embedding.ts';
import type { BlockLayer, NormLayer } from './layer.ts';
import type { LinearLayer } from './linear-layer.ts';
import type { RotaryEmbedding } from './rotary-embedding.ts';
import { LlamaStage, type StageOptions } from './stage.ts';

export type LlamaOptions = Omit<StageOptions, 'from' | 'to'>;

/**
 * LLaMA (Touvron et al. 2023): embedding, L blocks, norm, output matrix; shapes as in `config`.
 * Memory comes with `model.parameters.allocate()`, values with `model.parameters.initialize(seed)`
 * or from a checkpoint. Parameters have Meta's names.
 *
 *     using step = openStep(device, { rows, training: true });
 *     const losses = model.loss(model.tokens(ids, step), model.targets(next, step), step);
 *     model.backward(step);
 */
export class Llama implements Disposable {
  readonly config: LlamaConfig;
  readonly device: Device;
  readonly parameters: ParameterSpace;
  readonly embedding: EmbeddingLayer;
  readonly blocks: readonly BlockLayer[];
  readonly norm: NormLayer;
  /** [V, D]; its weight is the embedding's where embeddings are tied. */
  readonly output: LinearLayer;
  readonly rope: RotaryEmbedding;
  readonly #stage: LlamaStage;

  constructor(config: LlamaConfig, options: LlamaOptions) {
    checkOptions('llama', options, ['device', 'factories', 'pairing']);
    const stage = new LlamaStage(config, options);
    this.#stage = stage;
    this.config = config;
    this.device = stage.device;
    this.parameters = stage.parameters;
    this.embedding = stage.embedding!; // a stage of all blocks has both ends
    this.blocks = stage.blocks;
    this.norm = stage.head!.norm;
    this.output = stage.head!.output;
    this.rope = stage.rope;
  }

  /**
   * Hidden states after the final norm.
   * tokens: i32 [T], see `tokens`   result: [T, D]
   */
  forward(tokens: Tensor, step: Step): Tensor {
    return this.#stage.forward(tokens, step);
  }

  /** Logits of the given rows, or of all; they have no backward.            hidden: [T, D]   result: [R, V] */
  logits(hidden: Tensor, step: Step, rows?: ArrayLike<number>): Tensor {
    return this.#logits(hidden, step, rows && this.#rows(rows, step));
  }

  /**
   * Logits of the given rows, or of all, in a step with a cache:
   * `logits(forward(tokens(ids, step), step), step, rows)`. Few rows are encoded once: later steps
   * of the same shape take the commands as they are (`Step.repeat`), which is most of the time of a
   * small model outside
   * the device.                                                               result: [R, V]
   */
  predict(ids: ArrayLike<number>, step: Step, rows?: ArrayLike<number>): Tensor {
    const tokens = this.tokens(ids, step);
    const chosen = rows && this.#rows(rows, step);
    const encode = () => {
      const hidden = this.forward(tokens, step);
      const y = this.#logits(hidden, step, chosen);
      step.release(hidden);
      return y;
    };
    if (!step.cache || !this.#stage.repeats || step.rows > MOST_REPEATED_ROWS) return encode();
    this.#stage.checkStep(step);
    this.rope.reach(step);
    const weights = [this.parameters, this.parameters.version, this.output.operand];
    return step.repeat([...weights, chosen?.size], encode);
  }

  /**
   * Cross entropy of every token, 0 where the target is −100; divide by the number of the others
   * for the mean. In a training step the gradients of the output layer are taken in the same pass.
   * With `weights` each row's loss and gradient is multiplied by its own.
   * tokens, targets: i32 [T]   weights, result: [T], f32 (f64 beside f64)
   */
  loss(tokens: Tensor, targets: Tensor, step: Step, weights?: Tensor): Tensor {
    return this.#stage.loss(tokens, targets, step, weights);
  }

  /**
   * Adds the gradients of the **sum** of the losses to `parameters`; parameters without gradients
   * are passed over. After `forward` alone, of any other objective: its gradient with respect to
   * the hidden states is then `dhidden`, [T, D].
   */
  backward(step: Step, dhidden?: Tensor): void {
    this.#stage.backward(step, dhidden);
  }

  /** Token ids as a tensor of the step; throws on ids outside the vocabulary, which devices do not check. */
  tokens(ids: ArrayLike<number>, step: Step): Tensor {
    return this.#ids('llama.tokens', ids, step, false);
  }

  /** What each row must predict, or −100 for nothing; checked likewise. */
  targets(ids: ArrayLike<number>, step: Step): Tensor {
    return this.#ids('llama.targets', ids, step, true);
  }

  /**
   * For inference: matrices take the device's packed layout and the flat space, where there is one,
   * is given back. Afterwards there is no training, and `parameters.values` is gone; each parameter
   * still has its value. The peak is twice the weights.
   */
  pack(): void {
    this.#stage.pack();
  }

  /** Gives all memory of the model back. */
  [Symbol.dispose](): void {
    this.#stage[Symbol.dispose]();
  }

  #ids(op: string, ids: ArrayLike<number>, step: Step, ignorable: boolean): Tensor {
    const { vocabSize } = this.config;
    if (ids.length !== step.rows) fail(op, `${ids.length} ids for a step of ${step.rows} rows.`);
    for (let t = 0; t < ids.length; t++) {
      const id = ids[t]!;
      if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
      if (ignorable && id === IGNORE_TARGET) continue;
      fail(
        op,
        `id ${id} of row ${t} is outside a vocabulary of ${vocabSize}.`,
        'was another tokenizer used?',
      );
    }
    return step.integers(ids);
  }

  #logits(hidden: Tensor, step: Step, rows: Tensor | undefined): Tensor {
    return step.unsaved(() => {
      if (!rows) return this.output.forward(hidden, step);
      const x = step.empty([rows.size, this.config.dim]);
      step.device.kernels.gatherRows(x, hidden, rows);
      const y = this.output.forward(x, step);
      step.release(x);
      return y;
    });
  }

  /** Rows to choose as a tensor of the step; undefined for all of them in order. */
  #rows(rows: ArrayLike<number>, step: Step): Tensor | undefined {
    if (rows.length === 0) fail('llama.logits', 'no rows were given.', 'leave rows out for all of them');
    let all = rows.length === step.rows;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (!(Number.isInteger(row) && row >= 0 && row < step.rows))
        fail('llama.logits', `row ${row} is none of ${step.rows}.`);
      all &&= row === i;
    }
    return all ? undefined : step.integers(rows);
  }
}

/** Beside the work of more rows, encoding costs nothing. */
const MOST_REPEATED_ROWS = 64;
