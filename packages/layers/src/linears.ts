import type { Step, Tensor } from '@cria/tensor';
import type { LinearLayer, LinearsLayer } from './linear-layer.ts';

/**
 * ys[i] = x·wᵢᵀ (+ biasᵢ) for several linear layers of one x.
 * x: [T, C]   wᵢ: [Nᵢ, C]   ys[i]: [T, Nᵢ]
 */
export class Linears implements LinearsLayer {
  readonly members: readonly LinearLayer[];

  constructor(options: { readonly members: readonly LinearLayer[] }) {
    this.members = options.members;
  }

  /** In one kernel where all members are plain products: the bits, saved tensors and memory of one after another. */
  forward(x: Tensor, step: Step): Tensor[] {
    const operands = this.members.map(({ operand }) => operand);
    if (!operands.every((operand) => operand !== undefined))
      return this.members.map((member) => member.forward(x, step));
    const ys = operands.map((operand) => step.empty([x.rows, operand.rows]));
    const { kernels } = step.device;
    kernels.linears(ys, x, operands);
    this.members.forEach(({ weight, bias }, i) => {
      if (bias) kernels.addBias(ys[i]!, bias.value);
      if (weight.trainable) step.save(x);
    });
    return ys;
  }

  /** dx = Σᵢ dys[i]·wᵢ, from the last member to the first */
  backward(dys: readonly Tensor[], step: Step, into?: Tensor): Tensor {
    let dx = into;
    for (let i = this.members.length - 1; i >= 0; i--) {
      dx = this.members[i]!.backward(dys[i]!, step, dx);
      step.release(dys[i]!);
    }
    return dx!;
  }
}
