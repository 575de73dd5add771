import type { Llama } from '@cria/layers';
import { type ComputeDType, openStep, type Recompute, type Step } from '@cria/tensor';
import type { Batch } from './batch.ts';
import { nextToken } from './objectives/next-token.ts';
import type { Objective } from './objectives/objective.ts';

export interface LossSum {
  /** Sum of the losses of all tokens that count, in nats, added in token order. */
  readonly sum: number;
  /** How many tokens counted; where rows have weights, the sum of these. */
  readonly tokens: number;
}

interface PassOptions {
  readonly dtype: ComputeDType;
  /** Default `nextToken`. */
  readonly objective?: Objective;
}

const nothing: LossSum = { sum: 0, tokens: 0 };

/**
 * Gradients of the sum of the losses, added to the parameters' gradients; waits for the losses.
 * Micro-batches pass on what came `before`, so that the sum runs over all tokens in order however
 * they were split.
 */
export function addGradients(
  model: Llama,
  batch: Batch,
  options: PassOptions & { readonly recompute: Recompute },
  before = nothing,
): Promise<LossSum> {
  return withLosses(model, batch, before, { ...options, training: true }, (step, objective) =>
    objective.backward(model, step),
  );
}

/** The losses alone. */
export function sumLosses(
  model: Llama,
  batch: Batch,
  options: PassOptions,
  before = nothing,
): Promise<LossSum> {
  return withLosses(model, batch, before, { ...options, training: false }, () => {});
}

async function withLosses(
  model: Llama,
  batch: Batch,
  before: LossSum,
  options: PassOptions & { readonly training: boolean; readonly recompute?: Recompute },
  after: (step: Step, objective: Objective) => void,
): Promise<LossSum> {
  const { device } = model.parameters;
  const { tokens, segments } = batch;
  const { objective = nextToken, ...pass } = options;
  using step = openStep(device, { rows: tokens.length, segments, ...pass });
  const losses = objective.losses(model, batch, step);
  after(step, objective);
  const values = await losses.read();
  let sum = before.sum;
  for (const value of values) sum += value;
  return { sum, tokens: before.tokens + objective.count(batch) };
}
