import { accumulatorDType, fail, IGNORE_TARGET, type Step, type Tensor } from '@cria/tensor';
import type { Batch } from '../batch.ts';
import type { Objective } from './objective.ts';

/**
 * Cross entropy of the next token: the mean over all rows that have a target, or the mean by the
 * weights of the rows where the batch has such.
 */
export const nextToken: Objective = {
  losses(model, batch, step) {
    const { tokens, targets } = batch;
    // Ids of another vocabulary are refused here, and the gradients stay what they were.
    const [ids, next] = [model.tokens(tokens, step), model.targets(targets, step)];
    return model.loss(ids, next, step, weightsOf(batch, step));
  },

  backward(model, step) {
    model.backward(step);
  },

  count({ targets, weights }) {
    let counted = 0;
    targets.forEach((target, t) => {
      if (target !== IGNORE_TARGET) counted += weights?.[t] ?? 1;
    });
    return counted;
  },
};

function weightsOf({ weights }: Batch, step: Step): Tensor | undefined {
  if (!weights) return undefined;
  if (weights.length !== step.rows)
    fail('train', `a batch has ${weights.length} weights for ${step.rows} rows.`);
  const bad = weights.find((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (bad !== undefined) fail('train', `a row has weight ${bad}.`, 'give 0 or more');
  return step.empty([weights.length], accumulatorDType(step.dtype)).write(weights);
}
