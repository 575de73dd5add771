import { join } from 'node:path';
import { checkOptions, type ComputeDType, fail, type ParameterSpace, type Tensor } from '@cria/tensor';
import { isFloat } from '../dtypes.ts';
import { plainChunks } from '../weights.ts';
import { boxWriter } from './box-ranks.ts';
import { agree, type Attempt, attempt, type RankGroup, unwrap } from './group.ts';
import { type FlatLayout, layoutOf } from './layout.ts';
import { checkState, smallFiles, stateOptions } from './prepare.ts';
import { checkPolicy } from './save.ts';
import { type StateFile, writeTensorFile } from './tensor-file.ts';
import { type Json, type SaveTrainingStateOptions, type TrainingState, VALUES } from './types.ts';
import { abandon, commit, openPlace, type SaveTrainingStateResult, writeFiles } from './write.ts';

/*
 * A state that W ranks share: each writes what it has into a file of its own, a range of the flat
 * spaces or its parts of the parameters (box-ranks.ts), and rank 0 writes the rest and, last of
 * all, the manifest. All ranks see one file system.
 */

const op = 'saveTrainingStateByRanks';

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

/** What the ranks' files are, once all are written. */
export interface Collected {
  readonly files: Readonly<Record<string, StateFile>>;
  readonly dtype: ComputeDType;
  /** For the state's own file. */
  readonly more: object;
}

/** How a kind of share is written and put together. */
export interface RankWriter {
  /** Writes this rank's file; what came of it, as data for rank 0. Rejects only where a rank is gone. */
  readonly write: (folder: string, file: string, group: RankGroup) => Promise<Json>;
  /** What all ranks wrote, at rank 0; throws where that is no whole state. */
  readonly collect: (answers: readonly Json[]) => Collected;
}

/**
 * Saves a state of which each rank has a part; every rank calls it. Like `saveTrainingState`
 * otherwise: the state appears whole or not at all, whichever rank fails or dies, and then every
 * rank that is left throws. A rank gives a range of flat spaces that all of them share (`begin`,
 * `values`), or a space of parameters of its own, which know their part of the whole ones.
 */
export async function saveTrainingStateByRanks(
  root: string,
  state: RankState | TrainingState,
  group: RankGroup,
  options: SaveTrainingStateOptions = {},
): Promise<SaveTrainingStateResult> {
  const policy = checkPolicy(options);
  const writer = 'values' in state ? rangeWriter(state) : boxWriter(state);
  const place = await agree(group, () => openPlace(root, state.step));
  let outcome: () => Promise<SaveTrainingStateResult>;
  try {
    const written = await group.gather(await writer.write(place.temporary, fileOf(group), group));
    outcome = async () => {
      const { files, dtype, more } = writer.collect(written ?? []);
      const small = smallFiles(state, dtype, more);
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

function fileOf({ rank, ranks }: RankGroup): string {
  const number = (value: number) => String(value).padStart(5, '0');
  return `rank-${number(rank)}-of-${number(ranks)}.safetensors`;
}

function rangeWriter(state: RankState): RankWriter {
  return {
    write: (folder, file, group) => attempt(() => writeRange(folder, file, state, group)),
    collect(answers) {
      const { files, ranks, dtype, states } = collect(state.parameters, answers);
      return { files, dtype, more: { layout: layoutOf(state.parameters), ranks, states } };
    },
  };
}

interface Written {
  readonly range: RankFile;
  readonly file: StateFile;
  readonly dtype: ComputeDType;
  readonly states: readonly string[];
}

/** Writes the file of this rank. */
async function writeRange(
  folder: string,
  name: string,
  state: RankState,
  { rank }: RankGroup,
): Promise<Written> {
  checkOptions(op, state, [...stateOptions, 'begin', 'values', 'states']);
  checkState(state);
  const part = state.parameters.placed.find((parameter) => parameter.part);
  if (part)
    fail(
      op,
      `${part.name} is a part of a larger one, and ranges are of spaces that all ranks share.`,
      'leave out begin and values',
    );
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
      fail(
        op,
        `elements ${Math.min(begin, covered)} to ${Math.max(begin, covered)} are ` +
          `${begin > covered ? 'nobody’s' : 'in two ranks'}.`,
        'every element of the space belongs to one rank',
      );
    covered = end;
  }
  if (covered !== size)
    fail(
      op,
      `elements ${covered} to ${size} are nobody’s.`,
      'every element of the space belongs to one rank',
    );
  const kind = ({ dtype, states }: Written) =>
    `values of ${dtype} and states ${states.join(', ') || '(none)'}`;
  for (const each of written)
    if (first && kind(each) !== kind(first))
      fail(op, `${each.range.file} has ${kind(each)}, the first file ${kind(first)}.`);
  const files = Object.fromEntries(written.map(({ range, file }) => [range.file, file]));
  return { files, ranks, dtype: first?.dtype ?? 'f32', states: first?.states ?? [] };
}
