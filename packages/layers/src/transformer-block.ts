import type { Step, Tensor } from '@cria/tensor';
import { Attention } from './attention.ts';
import { windowOf } from './config.ts';
import type { BlockOptions } from './factories.ts';
import { FeedForward } from './feed-forward.ts';
import type { BlockLayer, NormLayer } from './layer.ts';

/**
 * h = x + attention(attentionNorm(x));
 * y = h + feedForward(ffnNorm(h))                              x, h, y: [T, D]
 */
export class TransformerBlock implements BlockLayer {
  readonly attention: Attention;
  readonly feedForward: FeedForward;
  readonly attentionNorm: NormLayer;
  readonly ffnNorm: NormLayer;

  constructor(options: BlockOptions) {
    const { parameters, config, index, rope, factories } = options;
    const { dim, nHeads, nKvHeads, ffnDim, normEps: eps } = config;
    const { linear, linears, norm } = factories;
    const name = `layers.${index}`;
    // Both residual branches of L blocks add up: wo and w2 start smaller by √(2L), as in GPT-2.
    const outputStd = 0.02 / Math.sqrt(2 * config.nLayers);
    const layer = index;
    this.attention = new Attention({
      parameters,
      name: `${name}.attention`,
      dim,
      nHeads,
      nKvHeads,
      rope,
      layer,
      bias: config.attentionBias,
      window: windowOf(config, layer),
      outputStd,
      linear,
      linears,
    });
    this.feedForward = new FeedForward({
      parameters,
      name: `${name}.feed_forward`,
      dim,
      ffnDim,
      layer,
      bias: config.mlpBias ?? false,
      outputStd,
      linear,
      linears,
    });
    this.attentionNorm = norm({ parameters, name: `${name}.attention_norm.weight`, dim, eps });
    this.ffnNorm = norm({ parameters, name: `${name}.ffn_norm.weight`, dim, eps });
  }

  get cacheWidth(): number {
    return this.attention.shape.kvHeads * this.attention.rope.headDim;
  }

  /** At recompute level `full` only x is kept. */
  forward(x: Tensor, step: Step): Tensor {
    if (!recomputes(step)) return this.#forward(x, step);
    step.save(x);
    return step.unsaved(() => this.#forward(x, step));
  }

  /** Takes dy over: dx is made in its memory. */
  backward(dy: Tensor, step: Step): Tensor {
    if (!recomputes(step)) return this.#backward(dy, step);
    const x = step.restore();
    step.release(step.again(() => this.#forward(x, step)));
    step.release(x);
    return this.#backward(dy, step);
  }

  #forward(x: Tensor, step: Step): Tensor {
    const n = this.attentionNorm.forward(x, step);
    const h = this.attention.forward(n, step, x);
    step.release(n);
    const m = this.ffnNorm.forward(h, step);
    const y = this.feedForward.forward(m, step, h);
    step.release(m, h);
    return y;
  }

  #backward(dy: Tensor, step: Step): Tensor {
    const dm = this.feedForward.backward(dy, step); // y = h + feedForward(m)
    const dh = this.ffnNorm.backward(dm, step, dy); // m = ffnNorm(h)
    step.release(dm);
    const dn = this.attention.backward(dh, step); // h = x + attention(n)
    const dx = this.attentionNorm.backward(dn, step, dh); // n = attentionNorm(x)
    step.release(dn);
    return dx;
  }
}

function recomputes(step: Step): boolean {
  return step.training && step.recompute === 'full';
}
