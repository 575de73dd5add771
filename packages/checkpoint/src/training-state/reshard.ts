import { fail } from '@cria/tensor';
import { overlaps } from './layout.ts';

/*
 * A flat space of parameters or moments, shared by W ranks in contiguous ranges of equal length
 * (the last ones may be short), read by W′ ranks. Pure arithmetic: who reads and sends is the
 * caller's.
 */

/** A run of elements of one old shard, and where it goes in the new one. */
export interface ReshardPiece {
  readonly fromRank: number;
  /** First element within the old shard. */
  readonly from: number;
  /** First element within the new shard. */
  readonly to: number;
  readonly length: number;
}

export interface ReshardOptions {
  /** Elements of the whole space. */
  readonly size: number;
  readonly fromRanks: number;
  readonly toRanks: number;
  /** Shards begin at multiples of so many elements. Default 64, as parameters do. */
  readonly alignment?: number;
}

/** Elements [begin, end) of the space that a rank holds; the lengths of all ranks but the last ones are equal. */
export function shardOf(
  size: number,
  rank: number,
  ranks: number,
  alignment = 64,
): readonly [begin: number, end: number] {
  checkWhole('size', size, 0);
  checkWhole('ranks', ranks, 1);
  checkWhole('rank', rank, 0);
  checkWhole('alignment', alignment, 1);
  if (rank >= ranks) fail('shardOf', `rank ${rank} of ${ranks} ranks.`, 'ranks count from 0');
  const length = Math.ceil(size / ranks / alignment) * alignment;
  return [Math.min(size, rank * length), Math.min(size, (rank + 1) * length)];
}

/** For every new rank, the pieces of old shards that make its own, in order; together they cover it exactly once. */
export function planReshard(options: ReshardOptions): readonly (readonly ReshardPiece[])[] {
  const { size, fromRanks, toRanks, alignment = 64 } = options;
  checkWhole('fromRanks', fromRanks, 1);
  const old = Array.from({ length: fromRanks }, (_, rank) => shardOf(size, rank, fromRanks, alignment));
  return Array.from({ length: toRanks }, (_, rank) =>
    overlaps(old, shardOf(size, rank, toRanks, alignment)).map(({ piece, ...run }) => ({
      fromRank: piece,
      ...run,
    })),
  );
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    fail('planReshard', `${name} is ${value}.`, `give a whole number from ${least}`);
}
