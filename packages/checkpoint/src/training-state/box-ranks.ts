import { join } from 'node:path';
import { checkOptions, type ComputeDType, fail } from '@cria/tensor';
import { isFloat } from '../dtypes.ts';
import type { TensorToWrite } from '../safetensors/writer.ts';
import { plainChunks } from '../weights.ts';
import { type BoxFile, boxesOf, boxName, type HeldBox, shareOutBoxes, type StoredBox } from './boxes.ts';
import { agree, type Attempt, attempt, type RankGroup, unwrap } from './group.ts';
import { checkState, stateOptions } from './prepare.ts';
import type { Collected, RankWriter } from './ranks.ts';
import { type StateFile, writeTensorFile } from './tensor-file.ts';
import { type Json, type TrainingState, VALUES } from './types.ts';

/*
 * Ranks that have parameters of their own, or parts of them: each writes its boxes, and of those
 * that several ranks have the first writes them. So a state knows nothing of how a run was laid
 * out, and any layout loads it.
 */

const op = 'saveTrainingStateByRanks';

interface Written extends BoxFile {
  readonly state: StateFile;
  readonly dtype: ComputeDType;
  readonly states: readonly string[];
}

export function boxWriter(state: TrainingState): RankWriter {
  return {
    async write(folder, file, group) {
      let held: readonly HeldBox[] = [];
      const offer = await attempt(() => {
        checkOptions(op, state, stateOptions);
        checkState(state);
        held = boxesOf(state.parameters, state.base);
        return held.map(({ name, of, begin, shape }) => ({ name, of, begin, shape }));
      });
      const share = await agreeOnShares(group, offer);
      return attempt(() =>
        writeBoxes(
          folder,
          file,
          share.map((i) => held[i]!),
        ),
      ); // numbers of this rank's own
    },
    collect,
  };
}

/** Which of its boxes this rank writes. Throws at every rank where the boxes of one speak against those of another. */
async function agreeOnShares(group: RankGroup, offer: Json): Promise<readonly number[]> {
  let [offers, lost]: [readonly Json[] | undefined, unknown] = [undefined, undefined];
  try {
    offers = await group.gather(offer);
  } catch (error) {
    lost = error; // a rank is gone: those that are left wait for an answer
  }
  const shares = await agree(group, () => {
    if (lost) throw lost;
    const boxes = (offers ?? []).map((each) => unwrap(each as unknown as Attempt<StoredBox[]>));
    return shareOutBoxes(op, boxes);
  });
  return shares[group.rank] ?? [];
}

async function writeBoxes(folder: string, file: string, boxes: readonly HeldBox[]): Promise<Written> {
  const tensors = boxes.flatMap(({ name, shape, value, states }) =>
    Object.entries({ [VALUES]: value, ...states }).map(([what, tensor]): TensorToWrite => {
      const dtype = isFloat(tensor.dtype)
        ? tensor.dtype
        : fail(op, `${what} of ${name} are ${tensor.dtype}.`);
      return { name: boxName(what, name), dtype, shape, chunks: () => plainChunks(name, tensor, dtype) };
    }),
  );
  const state = await writeTensorFile(op, join(folder, file), tensors);
  const dtypes = new Set(boxes.map(({ value }) => value.dtype));
  if (dtypes.size > 1) fail(op, `${file} has values of ${[...dtypes].join(' and ')}.`);
  const [dtype = 'f32'] = dtypes;
  const states = new Set(boxes.flatMap((box) => Object.keys(box.states)));
  const stored = boxes.map(({ name, of, begin, shape }) => ({ name, of, begin, shape }));
  const own = dtype as ComputeDType; // seen to be a float type above
  return { file, boxes: stored, state, dtype: own, states: [...states].sort() };
}

function collect(answers: readonly Json[]): Collected {
  const written = answers.map((answer) => unwrap(answer as unknown as Attempt<Written>));
  const some = written.filter(({ boxes }) => boxes.length > 0);
  const kind = ({ dtype, states }: Written) =>
    `values of ${dtype} and states ${states.join(', ') || '(none)'}`;
  const [first] = some;
  for (const each of some)
    if (first && kind(each) !== kind(first))
      fail(op, `${each.file} has ${kind(each)}, ${first.file} ${kind(first)}.`);
  return {
    files: Object.fromEntries(written.map(({ file, state }) => [file, state])),
    dtype: first?.dtype ?? 'f32',
    more: { boxes: written.map(({ file, boxes }) => ({ file, boxes })), states: first?.states ?? [] },
  };
}
