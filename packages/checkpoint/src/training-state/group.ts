import { CriaError, fail } from '@cria/tensor';
import type { Json } from './types.ts';

/** How the ranks of a run talk: threads, processes or machines. */
export interface RankGroup {
  readonly rank: number;
  readonly ranks: number;
  /** What rank 0 gives, at every rank. */
  broadcast(value: Json): Promise<Json>;
  /** What every rank gives, in their order, at rank 0; undefined elsewhere. Rejects where a rank is gone. */
  gather(value: Json): Promise<readonly Json[] | undefined>;
}

const OP = 'saveTrainingStateByRanks';

/** A result or an error, as data. */
export type Attempt<T> =
  { readonly value: T } | { readonly failed: { readonly message: string; readonly op: string } };

export async function attempt<T>(action: () => T | Promise<T>): Promise<Json> {
  try {
    return { value: await action() } satisfies Attempt<T> as unknown as Json; // files and ranges are plain data
  } catch (error) {
    const ours = error instanceof CriaError;
    const message = error instanceof Error ? error.message : String(error);
    const what = ours ? message.slice(`[${error.op}] `.length) : message;
    return { failed: { op: ours ? error.op : OP, message: what } };
  }
}

export function unwrap<T>(attempted: Attempt<T>): T {
  if ('value' in attempted) return attempted.value;
  const { op: where, message } = attempted.failed;
  const [what = message, hint] = message.split(' hint: ');
  return fail(where, what, hint);
}

/** Rank 0 acts, and every rank has its result or throws its error. */
export async function agree<T>(group: RankGroup, action: () => T | Promise<T>): Promise<T> {
  const done = group.rank === 0 ? await attempt(action) : null;
  return unwrap((await group.broadcast(done)) as unknown as Attempt<T>);
}
