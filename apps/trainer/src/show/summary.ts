import { relative } from 'node:path';
import type { LossHistory } from '../metrics/metrics.ts';
import { terminalCurve } from './curve.ts';
import { count, duration } from './format.ts';

/** What there is to tell of a run. */
export interface Outcome {
  readonly history: LossHistory;
  readonly finished?:
    | { readonly validationLoss: number | undefined; readonly totalTokens: number; readonly seconds: number }
    | undefined;
  /** Loss of a model without context: what is above it has learned nothing of order. */
  readonly unigramLoss?: number | undefined;
  readonly samples: string;
}

/**
 * What a finished run is worth: the curve, the held-out loss beside the unigram model's, samples,
 * and where things lie.
 */
export function summary(
  { history, finished, unigramLoss, samples }: Outcome,
  places: { readonly folder: string; readonly curve: string },
  columns = 80,
): string {
  const lines = ['', terminalCurve(history, Math.min(columns, 78)), ''];
  if (finished?.validationLoss !== undefined) {
    const { validationLoss, totalTokens, seconds } = finished;
    lines.push(
      `held-out loss ${validationLoss.toFixed(3)} nats a token (perplexity ${Math.exp(validationLoss).toFixed(1)})`,
    );
    if (unigramLoss !== undefined) {
      lines.push(
        `a unigram model of the same tokens: ${unigramLoss.toFixed(3)} (perplexity ` +
          `${Math.exp(unigramLoss).toFixed(0)})`,
      );
    }
    lines.push(`${count(totalTokens)} tokens in ${duration(seconds)}`);
  }
  const place = (path: string) => relative(process.cwd(), path) || '.';
  lines.push(
    '',
    'samples:',
    samples.trimEnd().replace(/^/gm, '  '),
    '',
    `run    ${place(places.folder)}`,
    `curve  ${place(places.curve)}`,
    '',
  );
  return lines.join('\n');
}
