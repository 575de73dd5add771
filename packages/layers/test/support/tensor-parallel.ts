import type { ParameterPart, Step, Tensor } from '@cria/tensor';
import {
  type Factories,
  Linear,
  type LinearLayer,
  type LinearOptions,
  Linears,
  type LinearsLayer,
  type LlamaConfig,
  VocabularyEmbedding,
  VocabularyOutput,
} from '../../src/index.ts';
import type { RankGroup } from './rank-group.ts';

/** How a rank has a linear layer of a block: some of the rows, some of the columns. */
const split = {
  query: 'rows',
  key: 'rows',
  value: 'rows',
  gate: 'rows',
  up: 'rows',
  attentionOutput: 'columns',
  down: 'columns',
  output: 'whole',
} as const;

/**
 * Tensor parallelism through the factories alone (Megatron's cut: Shoeybi et al. 2019): heads and
 * hidden width over ranks, one all-reduce behind wo and w2 forward, one behind q k v and one behind
 * gate, up backward; norms whole on every rank. Without biases. `vocabulary`: embedding, head and
 * loss are cut too, by rows, with one reduction behind the embedding and two in the loss; else they
 * are whole.
 */
export function tensorParallel(group: RankGroup, vocabulary: boolean): Partial<Factories> {
  const linear = (options: LinearOptions): LinearLayer => {
    const how = split[options.part ?? 'output'];
    if (how === 'whole') return vocabulary ? new VocabularyOutput(options, group) : new Linear(options);
    return how === 'rows'
      ? new Linear(shardOf(options, group, 0))
      : new RowParallel(new Linear(shardOf(options, group, 1)), group);
  };
  return {
    repeats: true,
    linear,
    linears: ({ members }) => new ColumnParallel(members, group),
    ...(vocabulary && { embedding: (options) => new VocabularyEmbedding(options, group) }),
  };
}

function shardOf(options: LinearOptions, { rank, size }: RankGroup, axis: 0 | 1): LinearOptions {
  const { outFeatures, inFeatures } = options;
  const of = [outFeatures, inFeatures];
  const own = of.map((extent, i) => (i === axis ? extent / size : extent));
  const shard: ParameterPart = { of, begin: own.map((extent, i) => (i === axis ? rank * extent : 0)) };
  return { ...options, outFeatures: own[0]!, inFeatures: own[1]!, shard };
}

/** y = Σ over ranks of x·wᵀ (+ residual)                                  x: [T, C / ranks]   w: [N, C / ranks] */
class RowParallel implements LinearLayer {
  readonly #own: Linear;
  readonly #group: RankGroup;

  constructor(own: Linear, group: RankGroup) {
    this.#own = own;
    this.#group = group;
  }

  get weight() {
    return this.#own.weight;
  }

  forward(x: Tensor, step: Step, residual?: Tensor): Tensor {
    const y = this.#own.forward(x, step);
    this.#group.allReduce(y, step);
    if (residual) step.device.kernels.add(y, y, residual);
    return y;
  }

  backward(dy: Tensor, step: Step, into?: Tensor): Tensor {
    return this.#own.backward(dy, step, into);
  }

  pack(): void {
    this.#own.pack();
  }

  free(): void {
    this.#own.free();
  }
}

/** dx = Σ over ranks of what this rank's rows give                         x: [T, C], the same on all ranks */
class ColumnParallel implements LinearsLayer {
  readonly members: readonly LinearLayer[];
  readonly #own: Linears;
  readonly #group: RankGroup;

  constructor(members: readonly LinearLayer[], group: RankGroup) {
    this.members = members;
    this.#own = new Linears({ members });
    this.#group = group;
  }

  forward(x: Tensor, step: Step): Tensor[] {
    return this.#own.forward(x, step);
  }

  backward(dys: readonly Tensor[], step: Step, into?: Tensor): Tensor {
    const dx = this.#own.backward(dys, step);
    this.#group.allReduce(dx, step);
    if (!into) return dx;
    step.device.kernels.add(into, into, dx);
    step.release(dx);
    return into;
  }
}

/** The configuration as a rank's cache has it. */
export function localHeads(config: LlamaConfig, { size }: RankGroup): LlamaConfig {
  return { ...config, nKvHeads: config.nKvHeads / size };
}
