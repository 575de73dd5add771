import type { ParameterSpace } from '@cria/tensor';

/** Elements start to end of the flat space. */
export interface Range {
  readonly start: number;
  readonly end: number;
  readonly decay: boolean;
}

/** Stretches of trainable parameters, as long as decay and neighbourhood allow: two when all are trained. */
export function trainableRanges(parameters: ParameterSpace): Range[] {
  const placed = parameters.parameters.map((parameter) => ({
    parameter,
    start: parameters.offsetOf(parameter),
  }));
  placed.sort((a, b) => a.start - b.start);
  const ranges: Range[] = [];
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
