import { relative } from 'node:path';
import { readHistory } from '../metrics/metrics.ts';
import type { RunFile } from '../run/run-file.ts';
import { runPaths } from '../run/run-file.ts';
import { terminalCurve } from './curve.ts';
import { count, duration } from './format.ts';

/** What a finished run is worth: the curve, the held-out loss beside the unigram model's, samples, and where things lie. */
export function summary(folder: string, run: RunFile, samples: string, columns = 80): string {
  const { finished, unigramLoss } = run;
  const paths = runPaths(folder);
  const lines = ['', terminalCurve(readHistory(folder), Math.min(columns, 78)), ''];
  if (finished?.validationLoss !== undefined) {
    const { validationLoss, totalTokens, seconds } = finished;
    lines.push(
      `held-out loss ${validationLoss.toFixed(3)} nats a token (perplexity ${Math.exp(validationLoss).toFixed(1)})`,
    );
    if (unigramLoss !== undefined) {
      lines.push(
        `a unigram model of the same tokens: ${unigramLoss.toFixed(3)} (perplexity ${Math.exp(unigramLoss).toFixed(0)})`,
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
    `run    ${place(folder)}`,
    `curve  ${place(paths.curve)}`,
    '',
  );
  return lines.join('\n');
}
