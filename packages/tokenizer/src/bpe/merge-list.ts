/** Merge lists as files write them: pairs of token texts in the order they merge. */
import { failure } from '../errors.ts';

/** Pairs of ids in the order they merge. */
export interface MergeList {
  readonly size: number;
  /** Ids of the two parts and of the merged token. */
  forEach(visit: (left: number, right: number, merged: number, rank: number) => void): void;
}

/** Left, right and merged id for each merge. */
export function mergeList(triples: Int32Array): MergeList {
  return {
    size: triples.length / 3,
    forEach(visit) {
      for (let at = 0, rank = 0; at < triples.length; at += 3, rank++)
        visit(triples[at], triples[at + 1], triples[at + 2], rank);
    },
  };
}

/** Whether a piece is a run of `▁`. */
export function isSpaces(piece: string): boolean {
  return piece.length > 0 && piece.length === piece.lastIndexOf('▁') + 1 && /^▁+$/.test(piece);
}

/**
 * In the released LLaMA vocabularies the pieces of spaces only share the lowest score, so that the
 * leftmost run grows first. A merge list says the same when those merges come last, in this order:
 * adding one space before anything else, the longest run first.
 */
export function compareSpaceMerges(leftA: number, rightA: number, leftB: number, rightB: number): number {
  return Number(rightA > 1) - Number(rightB > 1) || leftB - leftA || rightA - rightB;
}

/** Whether a list ends with all its merges of spaces in that order. */
export function spacesComeLast(pieces: readonly string[], merges: MergeList): boolean {
  let spaces = 0;
  let ordered = true;
  let lastLeft = 0;
  let lastRight = 0;
  merges.forEach((left, right, merged) => {
    if (!isSpaces(pieces[merged])) {
      ordered &&= spaces === 0;
      return;
    }
    const [a, b] = [pieces[left].length, pieces[right].length];
    ordered &&= spaces === 0 || compareSpaceMerges(lastLeft, lastRight, a, b) < 0;
    [lastLeft, lastRight] = [a, b];
    spaces++;
  });
  return ordered && spaces > 1;
}

/** Looks up `left right` texts. Throws on a merge whose parts or result are no tokens. */
export function resolveMerges(
  op: string,
  merges: readonly unknown[],
  idOf: ReadonlyMap<string, number>,
): MergeList {
  const triples = new Int32Array(merges.length * 3);
  merges.forEach((merge, i) => {
    const [left, right] = partsOf(op, merge, i);
    const a = idOf.get(left);
    const b = idOf.get(right);
    const both = idOf.get(left + right);
    if (a === undefined || b === undefined || both === undefined) {
      const missing = a === undefined ? left : b === undefined ? right : left + right;
      throw failure(
        op,
        `merge ${i} needs the token ${JSON.stringify(missing)}, which the vocabulary does not have`,
        'the file is damaged',
      );
    }
    triples[3 * i] = a;
    triples[3 * i + 1] = b;
    triples[3 * i + 2] = both;
  });
  return mergeList(triples);
}

/** Written as "a b" or ["a", "b"]. */
function partsOf(op: string, merge: unknown, index: number): readonly [string, string] {
  if (typeof merge === 'string') {
    const space = merge.indexOf(' ');
    if (space > 0 && space < merge.length - 1) return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (
    Array.isArray(merge) &&
    merge.length === 2 &&
    typeof merge[0] === 'string' &&
    typeof merge[1] === 'string'
  ) {
    return [merge[0], merge[1]];
  }
  throw failure(op, `merge ${index} is ${JSON.stringify(merge)?.slice(0, 60)}`, 'a merge is a pair of texts');
}
