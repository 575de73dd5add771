import type { RankGroup } from '@cria/checkpoint';
import { type Json, type RankState, shardOf } from '@cria/checkpoint/formats';
import type { ParameterSpace, Tensor } from '@cria/tensor';
import { tiny } from './plain-states.ts';

/** Ranks that talk within one process. A rank that is `lost` makes what the others wait for fail. */
export function groupsOf(ranks: number): { groups: RankGroup[]; lose: (error: Error) => void } {
  let lose: (error: Error) => void = () => {};
  const lost = new Promise<never>((_, reject) => (lose = reject));
  lost.catch(() => undefined);
  const rounds: {
    given: Map<number, Json>;
    whole: Promise<readonly Json[]>;
    done: (all: readonly Json[]) => void;
  }[] = [];
  const round = (number: number, members: number) => {
    if (!rounds[number]) {
      let done: (all: readonly Json[]) => void = () => {};
      const whole = new Promise<readonly Json[]>((resolve) => (done = resolve));
      rounds[number] = { given: new Map(), whole, done };
    }
    const entry = rounds[number];
    return {
      whole: Promise.race([entry.whole, lost]),
      give(rank: number, value: Json) {
        entry.given.set(rank, value);
        if (entry.given.size === members)
          entry.done(Array.from({ length: members }, (_, each) => entry.given.get(each) ?? null));
      },
    };
  };
  const groups = Array.from({ length: ranks }, (_, rank): RankGroup => {
    let number = 0;
    return {
      rank,
      ranks,
      async broadcast(value) {
        const { whole, give } = round(number++, 1);
        if (rank === 0) give(0, value);
        return (await (rank === 0 ? [value] : whole))[0] ?? null;
      },
      async gather(value) {
        const { whole, give } = round(number++, ranks);
        give(rank, value);
        return rank === 0 ? whole : undefined;
      },
    };
  });
  return { groups, lose };
}

/** Even cuts of a space, or cuts at these elements. */
export function cutsOf(size: number, ranks: number, at?: readonly number[]): (readonly [number, number])[] {
  if (!at) return Array.from({ length: ranks }, (_, rank) => shardOf(size, rank, ranks));
  const edges = [0, ...at, size];
  return edges.slice(1).map((end, i) => [edges[i] ?? 0, end] as const);
}

/** Elements of a flat tensor, as a tensor of their own. */
export async function cut(flat: Tensor, [begin, end]: readonly [number, number]): Promise<Tensor> {
  const part = flat.device.empty([end - begin], flat.dtype);
  if (end > begin) part.write(await flat.slice(begin, end).read());
  return part;
}

/** What a rank with this range of the space saves. */
export async function rankState(
  step: number,
  space: ParameterSpace,
  range: readonly [number, number],
  config = tiny,
): Promise<RankState> {
  return {
    step,
    config,
    counters: { step },
    parameters: space,
    begin: range[0],
    values: await cut(space.masters, range),
    states: {
      exp_avg: await cut(space.states.get('exp_avg').whole, range),
      exp_avg_sq: await cut(space.states.get('exp_avg_sq').whole, range),
    },
  };
}
