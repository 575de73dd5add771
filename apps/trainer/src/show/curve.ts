import type { LossHistory } from '../metrics/metrics.ts';
import { smooth } from './smooth.ts';

/** Dots of a braille cell by [row][column]. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

/**
 * The loss curve for a terminal, in braille dots: `width` cells wide with the axis, `height` lines
 * and the steps below.
 */
export function terminalCurve(history: LossHistory, width = 72, height = 12): string {
  // 8 cells are the axis; a cell is 2 dots wide and 4 high.
  const points = smooth(history.train, (width - 8) * 2);
  if (points.length < 2) return '(too few steps for a curve)';
  const losses = [...points, ...history.validation].map(({ loss }) => loss);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const last = points.at(-1)!.step;
  const first = points[0]!.step;
  const columns = width - 8;
  const cells = Array.from({ length: height }, () => new Array<number>(columns).fill(0));
  const plot = (step: number, loss: number) => {
    const x = Math.round(((step - first) / Math.max(1, last - first)) * (columns * 2 - 1));
    const y = Math.round(((high - loss) / (high - low || 1)) * (height * 4 - 1));
    if (x < 0 || x >= columns * 2) return;
    cells[y >> 2]![x >> 1]! |= dots[(y & 3) as 0 | 1 | 2 | 3][(x & 1) as 0 | 1];
  };
  for (const [index, point] of points.entries()) {
    plot(point.step, point.loss);
    // Four dots between two points make a line of them where the curve is steep.
    const next = points[index + 1];
    for (let part = 1; next && part < 4; part++) {
      plot(
        point.step + ((next.step - point.step) * part) / 4,
        point.loss + ((next.loss - point.loss) * part) / 4,
      );
    }
  }
  const lines = cells.map((row, index) => {
    const label =
      index === 0 || index === height - 1 || index === height >> 1
        ? high - ((high - low) * index) / (height - 1)
        : undefined;
    const left = label === undefined ? '      ' : label.toFixed(2).padStart(6);
    return `${left} ┤${row.map((bits) => String.fromCharCode(0x2800 + bits)).join('')}`;
  });
  const axis = `${' '.repeat(7)}╰${'─'.repeat(columns)}`;
  const steps = `${' '.repeat(8)}${String(first).padEnd(columns - String(last).length)}${last}`;
  return [...lines, axis, steps].join('\n');
}
