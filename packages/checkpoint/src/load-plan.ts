import { fail, type ParameterPart } from '@cria/tensor';
import type { TensorInfo } from './checkpoint.ts';
import { cutProblem, cutWeight, wholeShape } from './cut-weight.ts';

export const EMBEDDING = 'tok_embeddings.weight';
export const OUTPUT = 'output.weight';

/** Bytes compared at a time. */
const PIECE_BYTES = 1 << 24;

/** What wants a weight: a parameter, or its part of a moment. */
export interface Wanted {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of a rank that has a part of the weight: which. */
  readonly part?: ParameterPart | undefined;
}

/** The weights that go into the parameters of a model, and what the model is. */
export interface PlanOptions<T extends Wanted> {
  /** The output matrix is the embedding: where only one of them is stored, it stands for both. */
  readonly tied: boolean;
  /** What else speaks against a pair, without a full stop; undefined: nothing. */
  readonly refuse?: (wanted: T, weight: TensorInfo) => string | undefined;
}

/**
 * A weight for everything that wants one. Every tensor that is missing, has no place in the model
 * or another shape is named in one error: a weight that nobody asks for would be left out of the
 * mathematics in silence. Where embeddings are tied, a stored output matrix must equal the
 * embedding. Who has a part of a weight gets that part.
 */
export async function planLoad<T extends Wanted>(
  op: string,
  path: string,
  weights: ReadonlyMap<string, TensorInfo>,
  targets: readonly T[],
  { tied, refuse }: PlanOptions<T>,
): Promise<[T, TensorInfo][]> {
  const problems: string[] = [];
  const plan: [T, TensorInfo][] = [];
  const used = new Set<string>(tied ? [OUTPUT] : []);
  for (const target of targets) {
    const { name } = target;
    const weight = weights.get(name) ?? (tied && name === OUTPUT ? weights.get(EMBEDDING) : undefined);
    used.add(name);
    const problem = weight
      ? (misfit(weight, wholeShape(target)) ?? refuse?.(target, weight) ?? cutProblem(weight, target))
      : `${name} is missing`;
    if (problem !== undefined) problems.push(problem);
    else if (weight) plan.push([target, cutWeight(weight, target)]);
  }
  for (const weight of weights.values())
    if (!used.has(weight.name)) problems.push(`${label(weight)} is unexpected`);
  if (problems.length > 0) {
    fail(
      op,
      `${path} does not fit the model: ${problems.join('; ')}.`,
      'build the model from the configuration of the checkpoint',
    );
  }
  if (tied)
    await checkTied(
      op,
      path,
      weights,
      targets.find(({ name }) => name === EMBEDDING),
    );
  return plan;
}

function misfit(weight: TensorInfo, shape: readonly number[]): string | undefined {
  if (weight.shape.join() === shape.join()) return undefined;
  return `${label(weight)} has shape [${weight.shape.join(', ')}], the model [${shape.join(', ')}]`;
}

/**
 * A stored output matrix must not be dropped in silence: with tied embeddings it has to be the
 * embedding.
 */
export async function checkTied(
  op: string,
  path: string,
  weights: ReadonlyMap<string, TensorInfo>,
  wanted?: Wanted,
): Promise<void> {
  const whole = [weights.get(EMBEDDING), weights.get(OUTPUT)] as const;
  if (!whole[0] || !whole[1]) return;
  let equal = whole[0].dtype === whole[1].dtype && whole[0].shape.join() === whole[1].shape.join();
  // A rank answers for its part.
  const [embedding, output] =
    equal && wanted ? [cutWeight(whole[0], wanted), cutWeight(whole[1], wanted)] : [whole[0], whole[1]];
  for (let at = 0; equal && at < output.bytes; at += PIECE_BYTES) {
    const end = Math.min(at + PIECE_BYTES, output.bytes);
    equal = Buffer.compare(await embedding.readBytes(at, end), await output.readBytes(at, end)) === 0;
  }
  if (!equal) {
    fail(
      op,
      `${path} says that embeddings are tied, but ${label(output)} differs from ${label(embedding)}.`,
      'set tie_word_embeddings to false to use both',
    );
  }
}

/** A tensor as messages name it: as the file does, and by its canonical name. */
export function label(weight: TensorInfo): string {
  return weight.storedName === weight.name ? weight.name : `${weight.storedName} (${weight.name})`;
}
