import type { Step, Tensor } from '@cria/tensor';

/** y = silu(gate) ∘ up, silu(z) = z / (1 + e^−z)                          all [T, F] */
export class SwiGLU {
  forward(gate: Tensor, up: Tensor, step: Step): Tensor {
    step.save(gate);
    step.save(up);
    const make = () => {
      const y = step.empty(gate.shape);
      step.device.kernels.swiglu(y, gate, up);
      return y;
    };
    const y = make();
    step.recipe(y, make);
    return y;
  }

  /** dgate = dy∘up∘silu′(gate);  dup = dy∘silu(gate), in the memory of gate and up where nobody else holds them. */
  backward(dy: Tensor, step: Step): { readonly dgate: Tensor; readonly dup: Tensor } {
    const up = step.restore();
    const gate = step.restore();
    const dgate = overwritable(gate) ? step.hold(gate) : step.empty(gate.shape);
    const dup = overwritable(up) ? step.hold(up) : step.empty(up.shape);
    step.device.kernels.swigluGrad(dgate, dup, dy, gate, up);
    step.release(gate, up);
    return { dgate, dup };
  }
}

function overwritable(tensor: Tensor): boolean {
  return tensor.region?.holds === 1;
}
