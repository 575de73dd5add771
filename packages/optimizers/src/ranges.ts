import type { ParameterSpace, Tensor } from '@cria/tensor';

/** Elements start to end of the flat space. */
export interface Range {
  readonly start: number;
  readonly end: number;
  readonly decay: boolean;
  /** Flat, of these elements. */
  readonly gradient: Tensor;
}

/** Where a range of trainable parameters begins and ends. */
type Stretch = Omit<Range, 'gradient'>;

/**
 * Stretches of trainable parameters, as long as decay and neighbourhood allow: two when all are trained. Where gradients are borrowed
 * they are nobody's neighbours, and each is a stretch of its own.
 */
export function trainableRanges(parameters: ParameterSpace): Range[] {
  if (parameters.hasFlatGradients)
    return stretches(parameters).map((each) => ({
      ...each,
      gradient: parameters.gradients.slice(each.start, each.end),
    }));
  return parameters.parameters
    .filter(({ trainable }) => trainable)
    .map((parameter) => {
      const start = parameters.offsetOf(parameter);
      const { size, decay, grad } = parameter;
      return { start, end: start + size, decay, gradient: grad.reshape(size) };
    });
}

function stretches(parameters: ParameterSpace): Stretch[] {
  const placed = parameters.parameters.map((parameter) => ({
    parameter,
    start: parameters.offsetOf(parameter),
  }));
  placed.sort((a, b) => a.start - b.start);
  const ranges: Stretch[] = [];
  for (const [i, { parameter, start }] of placed.entries()) {
    if (!parameter.trainable) continue;
    const { decay } = parameter;
    const end = placed[i + 1]?.start ?? parameters.size;
    const last = ranges.at(-1);
    if (last && last.end === start && last.decay === decay) ranges[ranges.length - 1] = { ...last, end };
    else ranges.push({ start, end, decay });
  }
  return ranges;
}
