import { join } from 'node:path';
import {
  checkOptions,
  type ComputeDType,
  CriaError,
  fail,
  type ParameterSpace,
  type Tensor,
} from '@cria/tensor';
import { isFloat } from '../dtypes.ts';
import { plainChunks } from '../weights.ts';
import { type FlatLayout, layoutOf } from './layout.ts';
import { checkState, smallFiles } from './prepare.ts';
import { checkPolicy } from './save.ts';
import { type StateFile, writeTensorFile } from './tensor-file.ts';
import type { Json, SaveTrainingStateOptions, TrainingState } from './types.ts';
import { abandon, commit, openPlace, type Place, type SaveTrainingStateResult, writeFiles } from './write.ts';

/*
 * A state that W ranks share: each writes its range of the flat spaces into a file of its own, and
 * rank 0 writes the rest and, last of all, the manifest. All ranks see one file system.
 */

const op = 'saveTrainingStateByRanks';

/** How the ranks of a run talk: threads, processes or machines. */
export interface RankGroup {
  readonly rank: number;
  readonly ranks: number;
  /** What rank 0 gives, at every rank. */
  broadcast(value: Json): Promise<Json>;
  /** What every rank gives, in their order, at rank 0; undefined elsewhere. Rejects where a rank is gone. */
  gather(value: Json): Promise<readonly Json[] | undefined>;
}

/** The state of one rank. What is not a range of the spaces is the same at every rank; rank 0 writes it. */
export interface RankState extends TrainingState {
  /** Has its places (`allocate`); its values are not looked at. */
  readonly parameters: ParameterSpace;
  /** First element of this rank's range of the flat spaces; `shardOf` cuts them evenly, but any cut will do. */
  readonly begin: number;
  /** Flat: the range of the values, or of the masters where values are halves. */
  readonly values: Tensor;
  /** The same range of what an optimizer keeps, by name. */
  readonly states?: Readonly<Record<string, Tensor>>;
}

/** The file of a rank, as its state lists it. */
export interface RankFile {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

/** What a state by ranks says of itself. */
export interface RankedLayout {
  readonly layout: FlatLayout;
  readonly ranks: readonly RankFile[];
}

/** The tensor of a rank's file that holds its values; every other is a state of that name. */
export const VALUES = 'values';

/**
 * Saves a state of which each rank has a part; every rank calls it. Like `saveTrainingState`
 * otherwise: the state appears whole or not at all, whichever rank fails or dies, and then every
 * rank that is left throws.
 */
export async function saveTrainingStateByRanks(
  root: string,
  state: RankState,
  group: RankGroup,
  options: SaveTrainingStateOptions = {},
): Promise<SaveTrainingStateResult> {
  const policy = checkPolicy(options);
  const place = await agree(group, () => openPlace(root, state.step));
  let outcome: () => Promise<SaveTrainingStateResult>;
  try {
    const written = await group.gather(await attempt(() => writeRank(place.temporary, state, group)));
    outcome = async () => {
      const { files, ranks, dtype, states } = collect(state.parameters, written ?? []);
      const layout: RankedLayout = { layout: layoutOf(state.parameters), ranks };
      const small = smallFiles(state, dtype, { ...layout, states });
      const others = await writeFiles(place.temporary, { files: small, tensors: new Map() });
      return commit(place, { ...others, ...files }, policy);
    };
  } catch (error) {
    // a rank is gone: those that are left hear of it from rank 0, if that is left
    outcome = () => Promise.reject(error);
  }
  return agree(group, async () => {
    try {
      return await outcome();
    } catch (error) {
      throw await abandon(place, error);
    }
  });
}

interface Written {
  readonly range: RankFile;
  readonly file: StateFile;
  readonly dtype: ComputeDType;
  readonly states: readonly string[];
}

/** Writes the file of this rank. */
async function writeRank(folder: string, state: RankState, { rank, ranks }: RankGroup): Promise<Written> {
  checkOptions(op, state, [
    'step',
    'parameters',
    'begin',
    'values',
    'states',
    'config',
    'counters',
    'fingerprints',
    'extraFiles',
    'specialIds',
  ]);
  checkState(state);
  const { begin, values, states = {} } = state;
  const end = begin + values.size;
  if (!(Number.isSafeInteger(begin) && begin >= 0 && end <= state.parameters.size))
    fail(op, `rank ${rank} has elements ${begin} to ${end} of a space of ${state.parameters.size}.`);
  if (VALUES in states) fail(op, `a state cannot be called "${VALUES}".`);
  const flats = Object.entries({ [VALUES]: values, ...states });
  const tensors = flats.map(([name, flat]) => {
    const dtype = isFloat(flat.dtype) ? flat.dtype : fail(op, `${name} of ${flat.dtype} cannot be saved.`);
    if (flat.size !== values.size)
      fail(op, `rank ${rank} has ${values.size} values and ${flat.size} elements of ${name}.`);
    const shape = [flat.size];
    // As rows of one element, so that a long range goes in pieces.
    return { name, dtype, shape, chunks: () => plainChunks(name, flat.reshape(flat.size, 1), dtype) };
  });
  const name = `rank-${String(rank).padStart(5, '0')}-of-${String(ranks).padStart(5, '0')}.safetensors`;
  const file = await writeTensorFile(op, join(folder, name), tensors);
  const dtype = tensors[0]?.dtype ?? 'f32';
  return { range: { file: name, begin, end }, file, dtype, states: Object.keys(states).sort() };
}

/** What all ranks wrote, which must make the whole space. */
function collect({ size }: ParameterSpace, answers: readonly Json[]) {
  const written = answers.map((answer) => unwrap(answer as unknown as Attempt<Written>));
  const [first] = written;
  const ranks = written.map(({ range }) => range).sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { begin, end } of ranks) {
    if (begin !== covered)
      fail(op, `elements ${Math.min(begin, covered)} to ${Math.max(begin, covered)} are ${begin > covered ? 'nobody’s' : 'in two ranks'}.`, 'every element of the space belongs to one rank'); // prettier-ignore
    covered = end;
  }
  if (covered !== size) fail(op, `elements ${covered} to ${size} are nobody’s.`, 'every element of the space belongs to one rank'); // prettier-ignore
  const kind = ({ dtype, states }: Written) =>
    `values of ${dtype} and states ${states.join(', ') || '(none)'}`;
  for (const each of written)
    if (first && kind(each) !== kind(first))
      fail(op, `${each.range.file} has ${kind(each)}, the first file ${kind(first)}.`);
  const files = Object.fromEntries(written.map(({ range, file }) => [range.file, file]));
  return { files, ranks, dtype: first?.dtype ?? 'f32', states: first?.states ?? [] };
}

/** A result or an error, as data. */
type Attempt<T> =
  { readonly value: T } | { readonly failed: { readonly message: string; readonly op: string } };

async function attempt<T>(action: () => Promise<T>): Promise<Json> {
  try {
    return { value: await action() } satisfies Attempt<T> as unknown as Json; // files and ranges are plain data
  } catch (error) {
    const ours = error instanceof CriaError;
    const message = error instanceof Error ? error.message : String(error);
    const what = ours ? message.slice(`[${error.op}] `.length) : message;
    return { failed: { op: ours ? error.op : op, message: what } };
  }
}

function unwrap<T>(attempted: Attempt<T>): T {
  if ('value' in attempted) return attempted.value;
  const { op: where, message } = attempted.failed;
  const [what = message, hint] = message.split(' hint: ');
  return fail(where, what, hint);
}

/** Rank 0 acts, and every rank has its result or throws its error. */
async function agree<T extends Place | SaveTrainingStateResult>(
  group: RankGroup,
  action: () => Promise<T>,
): Promise<T> {
  const done = group.rank === 0 ? await attempt(action) : null;
  return unwrap((await group.broadcast(done)) as unknown as Attempt<T>);
}
