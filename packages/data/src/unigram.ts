import { checkOptions } from '@cria/tensor';
import type { TokenDataset } from './dataset.ts';
import type { Sample } from './options.ts';

export interface UnigramLoss {
  /** Mean cross entropy of the held-out targets, in nats per token. */
  readonly loss: number;
  /** Targets counted in training, and scored. */
  readonly trainTargets: number;
  readonly targets: number;
}

export interface UnigramOptions {
  /** Score only the first so many held-out samples, as an evaluation over as many does; default all. */
  readonly heldOutSamples?: number;
}

/**
 * What a model without context would reach: −mean log((count(target) + 1) / (N + V)) over the
 * held-out targets that count, with counts over all N training targets (add-one smoothing). A
 * trained model must lie well below.
 */
export function unigramLoss(
  train: TokenDataset,
  heldOut: TokenDataset,
  options: UnigramOptions = {},
): UnigramLoss {
  checkOptions('unigramLoss', options, ['heldOutSamples']);
  const { heldOutSamples = heldOut.samples } = options;
  const trained = countTargets(train.windows(), train.vocabSize);
  const scored = countTargets(firstSamples(heldOut, heldOutSamples), heldOut.vocabSize);
  const logTotal = Math.log(trained.total + train.vocabSize);
  let sum = 0;
  for (const [id, count] of scored.counts.entries())
    sum += count * (logTotal - Math.log((trained.counts[id] ?? 0) + 1));
  return { loss: sum / scored.total, trainTargets: trained.total, targets: scored.total };
}

function* firstSamples(dataset: TokenDataset, most: number): Generator<Sample> {
  for (let n = 0; n < Math.min(most, dataset.samples); n++) yield dataset.sample(n);
}

function countTargets(
  samples: Iterable<Sample>,
  vocabSize: number,
): { readonly counts: Float64Array; readonly total: number } {
  const counts = new Float64Array(vocabSize);
  let total = 0;
  for (const { targets } of samples) {
    for (const target of targets) {
      if (target < 0) continue;
      counts[target] = (counts[target] ?? 0) + 1;
      total++;
    }
  }
  return { counts, total };
}
