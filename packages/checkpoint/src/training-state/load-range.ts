import { fail, type Parameter, type ParameterSpace, type Tensor } from '@cria/tensor';
import type { TensorInfo } from '../checkpoint.ts';
import { toWritable } from '../convert.ts';
import { rowLengthOf } from '../row-order.ts';
import { numericDType, ordered, rowBytes } from '../weights.ts';
import { cutProblem, cutWeight, wholeShape } from '../cut-weight.ts';
import { layoutOf, overlaps } from './layout.ts';
import type { RankRange } from './types.ts';

const op = 'loadTrainingState';

/** Elements moved at a time. */
const PIECE = 1 << 22;

/** Fills the range of one rank from stored parameters, however those are cut; padding between parameters is zero. */
export async function loadRange(
  path: string,
  weights: ReadonlyMap<string, TensorInfo>,
  parameters: ParameterSpace,
  begin: number,
  target: Tensor,
): Promise<void> {
  const layout = layoutOf(parameters);
  const end = begin + target.size;
  if (!(Number.isSafeInteger(begin) && begin >= 0 && end <= layout.size))
    fail(op, `elements ${begin} to ${end} are outside the space of ${layout.size}.`);
  checkFit(path, weights, parameters.placed);
  const { device } = target;
  const flat = target.reshape(target.size, 1);
  if (target.size > 0) device.kernels.fill(target, 0);
  for (const { name, shape, offset } of layout.parameters) {
    const stored = weights.get(name);
    const weight = stored && cutWeight(stored, { shape, part: parameters.get(name)?.part });
    const size = shape.reduce((product, extent) => product * extent, 1);
    for (const { from, to, length } of overlaps([[offset, offset + size]], [begin, end])) {
      for (let at = 0; weight && at < length; at += PIECE) {
        const count = Math.min(PIECE, length - at);
        const bytes = await readElements(weight, from + at, from + at + count);
        const numbers = toWritable(bytes, numericDType(op, weight), target.dtype);
        flat.slice(to + at, to + at + count).write(numbers);
        await device.flush();
      }
    }
  }
}

/** Ranges as `loadRange` fills them. */
export async function loadRanges(
  path: string,
  values: ReadonlyMap<string, TensorInfo>,
  states: StoredStates,
  range: RankRange,
): Promise<void> {
  const { parameters, begin } = range;
  if (range.values) await loadRange(path, values, parameters, begin, range.values);
  for (const [name, target] of Object.entries(range.states ?? {}))
    await loadRange(path, stateOf(path, states, name), parameters, begin, target);
}

/** Weights by canonical name, of each state by its name; none where a state was saved without an optimizer. */
export type StoredStates = ReadonlyMap<string, ReadonlyMap<string, TensorInfo>>;

export function stateOf(path: string, states: StoredStates, name: string): ReadonlyMap<string, TensorInfo> {
  return (
    states.get(name) ??
    fail(
      op,
      `${path} was saved without ${name}, which the optimizer needs; it has ` +
        `${[...states.keys()].join(', ') || 'no state'}.`,
      'start a new optimizer from its weights, with openCheckpoint',
    )
  );
}

/** Elements of a weight in Meta's order, out of the heads that hold them where the file has another. */
async function readElements(weight: TensorInfo, first: number, last: number): Promise<Uint8Array> {
  const { halfSplit } = weight;
  const rowLength = weight.shape.at(-1) ?? 1;
  const bytesPerRow = rowBytes(weight);
  const width = bytesPerRow / rowLength;
  if (halfSplit === undefined) return weight.readBytes(first * width, last * width);
  const head = halfSplit * rowLengthOf(weight.shape);
  const begin = Math.floor(first / head) * head;
  const end = Math.ceil(last / head) * head;
  const heads = ordered(await weight.readBytes(begin * width, end * width), weight, bytesPerRow);
  return heads.slice((first - begin) * width, (last - begin) * width);
}

function checkFit(
  path: string,
  weights: ReadonlyMap<string, TensorInfo>,
  parameters: readonly Parameter[],
): void {
  const problems = parameters.flatMap((parameter) => {
    const { name } = parameter;
    const [stored, wanted] = [weights.get(name), wholeShape(parameter)];
    if (!stored) return [`${name} is missing`];
    if (stored.shape.join() === wanted.join()) return cutProblem(stored, parameter) ?? [];
    return [`${name} has shape [${stored.shape.join(', ')}], the model [${wanted.join(', ')}]`];
  });
  const names = new Set(parameters.map(({ name }) => name));
  for (const name of weights.keys()) if (!names.has(name)) problems.push(`${name} is unexpected`);
  if (problems.length > 0)
    fail(
      op,
      `${path} does not fit the model: ${problems.join('; ')}.`,
      'build the model from its configuration',
    );
}
