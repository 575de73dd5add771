import type { Llama } from '@cria/layers';
import { type ComputeDType, IGNORE_TARGET, openStep, type Recompute, type Step } from '@cria/tensor';
import type { Batch } from './batch.ts';

export interface LossSum {
  /** Sum of the losses of all tokens that count, in nats, added in token order. */
  readonly sum: number;
  /** How many tokens counted. */
  readonly tokens: number;
}

const nothing: LossSum = { sum: 0, tokens: 0 };

/**
 * Gradients of the sum of the losses, added to the parameters' gradients; waits for the losses. Micro-batches pass on what came
 * `before`, so that the sum runs over all tokens in order however they were split.
 */
export function addGradients(
  model: Llama,
  batch: Batch,
  options: { readonly dtype: ComputeDType; readonly recompute: Recompute },
  before = nothing,
): Promise<LossSum> {
  return withLosses(model, batch, before, { ...options, training: true }, (step) => model.backward(step));
}

/** The losses alone. */
export function sumLosses(
  model: Llama,
  batch: Batch,
  options: { readonly dtype: ComputeDType },
  before = nothing,
): Promise<LossSum> {
  return withLosses(model, batch, before, { ...options, training: false }, () => {});
}

async function withLosses(
  model: Llama,
  { tokens, targets, segments }: Batch,
  before: LossSum,
  options: { readonly training: boolean; readonly dtype: ComputeDType; readonly recompute?: Recompute },
  after: (step: Step) => void,
): Promise<LossSum> {
  const { device } = model.parameters;
  using step = openStep(device, { rows: tokens.length, segments, ...options });
  // Ids of another vocabulary are refused before anything is encoded, and the gradients stay what they were.
  const losses = model.loss(model.tokens(tokens, step), model.targets(targets, step), step);
  after(step);
  const values = await losses.read();
  let sum = before.sum;
  for (const value of values) sum += value;
  let counted = before.tokens;
  for (const target of targets) counted += target === IGNORE_TARGET ? 0 : 1;
  return { sum, tokens: counted };
}
