import type { TokenDataset } from './dataset.ts';

export interface UnigramLoss {
  /** Mean cross entropy of the held-out targets, in nats per token. */
  readonly loss: number;
  /** Targets counted in training, and scored. */
  readonly trainTargets: number;
  readonly targets: number;
}

/**
 * What a model without context would reach: −mean log((count(target) + 1) / (N + V)) over the held-out targets that count, with counts
 * over all N training targets (add-one smoothing). A trained model must lie well below.
 */
export function unigramLoss(train: TokenDataset, heldOut: TokenDataset): UnigramLoss {
  const trained = countTargets(train);
  const scored = countTargets(heldOut);
  const logTotal = Math.log(trained.total + train.vocabSize);
  let sum = 0;
  for (const [id, count] of scored.counts.entries())
    sum += count * (logTotal - Math.log((trained.counts[id] ?? 0) + 1));
  return { loss: sum / scored.total, trainTargets: trained.total, targets: scored.total };
}

function countTargets(dataset: TokenDataset): { readonly counts: Float64Array; readonly total: number } {
  const counts = new Float64Array(dataset.vocabSize);
  let total = 0;
  for (const { targets } of dataset.windows()) {
    for (const target of targets) {
      if (target < 0) continue;
      counts[target] = (counts[target] ?? 0) + 1;
      total++;
    }
  }
  return { counts, total };
}
