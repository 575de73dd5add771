import type { ParameterSpace, Stretch, Tensor } from '@cria/tensor';

/** Trainable elements next to each other, of one kind. */
interface Run extends Stretch {
  readonly decay: boolean;
}

/** Such elements in one segment, with their gradient, flat. */
export interface Range extends Run {
  readonly gradient: Tensor;
}

/**
 * Stretches of trainable parameters, as long as decay, neighbourhood and segments allow: two when
 * all are trained. Where gradients are borrowed they are nobody's neighbours, and each is a stretch
 * of its own. With `within`, only what lies in one of these.
 */
export function trainableRanges(parameters: ParameterSpace, within?: readonly Stretch[]): Range[] {
  const flat = parameters.gradientMemory;
  const segments = parameters.segments;
  if (flat)
    return runs(parameters)
      .flatMap((run) => cut(run, segments))
      .flatMap((run) => cut(run, within))
      .map((run) => ({ ...run, gradient: flat.slice(run.begin, run.end) }));
  return parameters.placed
    .filter(({ trainable }) => trainable)
    .flatMap((parameter) => {
      const first = parameters.offsetOf(parameter);
      const { size, decay } = parameter;
      return cut({ begin: first, end: first + size, decay }, within).map((run) => ({
        ...run,
        gradient: parameter.grad.reshape(size).slice(run.begin - first, run.end - first),
      }));
    });
}

/** What of a run lies in some of the stretches; all of it where none are given. */
function cut(run: Run, stretches: readonly Stretch[] | undefined): Run[] {
  if (!stretches) return [run];
  return stretches.flatMap(({ begin, end }) => {
    const part = { ...run, begin: Math.max(run.begin, begin), end: Math.min(run.end, end) };
    return part.begin < part.end ? [part] : [];
  });
}

/** Padding belongs to the parameter before it. */
function runs(parameters: ParameterSpace): Run[] {
  const placed = parameters.placed.map((parameter) => ({ parameter, begin: parameters.offsetOf(parameter) }));
  placed.sort((a, b) => a.begin - b.begin);
  const found: Run[] = [];
  for (const [i, { parameter, begin }] of placed.entries()) {
    if (!parameter.trainable) continue;
    const { decay } = parameter;
    const end = placed[i + 1]?.begin ?? parameters.size;
    const last = found.at(-1);
    if (last && last.end === begin && last.decay === decay) found[found.length - 1] = { ...last, end };
    else found.push({ begin, end, decay });
  }
  return found;
}
