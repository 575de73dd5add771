import type { LossHistory, StepMetric } from '../metrics/metrics.ts';
import { smooth, ticks } from './smooth.ts';

// The picture, in its own units, and the box that the curve has in it.
const width = 860;
const height = 460;
const box = { left: 64, right: 24, top: 56, bottom: 52 };

/** The loss curve as a picture of its own: no script, no font file, light and dark. */
export function lossCurveSvg(history: LossHistory, title: string, unigramLoss?: number): string {
  const train = smooth(history.train, 400);
  const all = [...train, ...history.validation];
  if (all.length === 0) return emptyPicture(title);
  const losses = [...all.map(({ loss }) => loss), ...(unigramLoss === undefined ? [] : [unigramLoss])];
  const low = Math.min(...losses);
  const high = Math.max(...losses);
  const pad = (high - low || 1) * 0.06; // a flat curve has a height, too
  const lastStep = Math.max(...all.map(({ step }) => step), 1);
  const x = (step: number) => box.left + (step / lastStep) * (width - box.left - box.right);
  const y = (loss: number) =>
    box.top + ((high + pad - loss) / (high - low + 2 * pad || 1)) * (height - box.top - box.bottom);
  const line = (points: readonly StepMetric[]) =>
    points.map(({ step, loss }) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ');
  const parts = [
    ...ticks(low - pad, high + pad).map((loss) =>
      grid(box.left, y(loss), width - box.right, y(loss), `${loss}`, box.left - 10, y(loss) + 4, 'end'),
    ),
    ...ticks(0, lastStep).map((step) => text(x(step), height - box.bottom + 22, `${step}`, 'middle', 'axis')),
    text((box.left + width - box.right) / 2, height - 10, 'step', 'middle', 'axis'),
    text(box.left, 24, title, 'start', 'title'),
    text(box.left, 43, 'loss in nats a token', 'start', 'axis'),
  ];
  if (unigramLoss !== undefined) {
    parts.push(
      `<line class="unigram" x1="${box.left}" x2="${width - box.right}" y1="${y(unigramLoss)}" ` +
        `y2="${y(unigramLoss)}"/>`,
    );
    parts.push(
      text(width - box.right, y(unigramLoss) - 6, `unigram ${unigramLoss.toFixed(2)}`, 'end', 'axis'),
    );
  }
  parts.push(`<polyline class="train" points="${line(train)}"/>`);
  if (history.validation.length > 0) {
    parts.push(`<polyline class="held" points="${line(history.validation)}"/>`);
    parts.push(
      ...history.validation.map(
        ({ step, loss }) =>
          `<circle class="dot" cx="${x(step).toFixed(1)}" cy="${y(loss).toFixed(1)}" r="3.5"/>`,
      ),
    );
  }
  parts.push(...legend(train.at(-1), history.validation.at(-1)));
  return picture(parts);
}

/** The last losses, in the colours of their curves. */
function legend(train: StepMetric | undefined, held: StepMetric | undefined): string[] {
  const right = width - box.right;
  return [
    ...(train ? [text(right, 24, `training ${train.loss.toFixed(3)}`, 'end', 'label-train')] : []),
    ...(held ? [text(right, 43, `held out ${held.loss.toFixed(3)}`, 'end', 'label-held')] : []),
  ];
}

/** A line from (x1, y1) to (x2, y2), with its label at (tx, ty). */
function grid(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  label: string,
  tx: number,
  ty: number,
  anchor: string,
): string {
  const line = `<line class="grid" x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}"/>`;
  return line + text(tx, ty, label, anchor, 'axis');
}

/** Titles hold names of a user, so they are escaped. */
function text(x: number, y: number, content: string, anchor: string, style: string): string {
  const escaped = content.replace(
    /[&<>]/g,
    (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[character]!,
  );
  return `<text class="${style}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped}</text>`;
}

/** A run that was stopped before its first step has a picture, too. */
function emptyPicture(title: string): string {
  return picture([
    text(box.left, 24, title, 'start', 'title'),
    text(width / 2, height / 2, 'no steps yet', 'middle', 'axis'),
  ]);
}

/** Style and parts. Colours follow the reader's scheme. */
function picture(parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="loss curve">
<style>
  svg { background: #fff; font: 13px system-ui, sans-serif; }
  .title { font-size: 15px; font-weight: 600; fill: #1c1c1c; } .axis { fill: #6b6b6b; }
  .grid { stroke: #e6e6e6; } .train, .held { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .train { stroke: #2f6fdd; } .held { stroke: #c2561a; } .dot { fill: #c2561a; }
  .label-train { fill: #2f6fdd; font-weight: 600; } .label-held { fill: #c2561a; font-weight: 600; }
  .unigram { stroke: #8a8a8a; stroke-dasharray: 5 5; }
  @media (prefers-color-scheme: dark) {
    svg { background: #16181c; } .title { fill: #ededed; } .axis { fill: #9a9a9a; } .grid { stroke: #2c2f36; }
    .train { stroke: #6ea0ff; } .label-train { fill: #6ea0ff; } .held { stroke: #f0935a; }
    .label-held, .dot { fill: #f0935a; }
  }
</style>
${parts.join('\n')}
</svg>
`;
}
