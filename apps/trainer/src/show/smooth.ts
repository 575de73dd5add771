import type { StepMetric } from '../metrics/metrics.ts';

/** Mean loss of up to `buckets` equal stretches of steps: enough points to draw, noise averaged. */
export function smooth(history: readonly StepMetric[], buckets: number): StepMetric[] {
  const size = Math.max(1, Math.ceil(history.length / buckets));
  const points: StepMetric[] = [];
  for (let start = 0; start < history.length; start += size) {
    const part = history.slice(start, start + size);
    const mean = (pick: (metric: StepMetric) => number) =>
      part.reduce((sum, metric) => sum + pick(metric), 0) / part.length;
    points.push({ step: Math.round(mean((metric) => metric.step)), loss: mean((metric) => metric.loss) });
  }
  return points;
}

/** Four to six round numbers that cover a range. */
export function ticks(low: number, high: number): number[] {
  const span = high - low || 1;
  // The largest of 1, 2, 2.5, 5, 10 times a power of ten that still gives four.
  const unit = 10 ** Math.floor(Math.log10(span / 4));
  const step = unit * ([1, 2, 2.5, 5, 10].find((factor) => span / (unit * factor) <= 5) ?? 10);
  const values: number[] = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step)
    values.push(Number(value.toPrecision(6))); // 0.1 + 0.2 is no label
  return values;
}
