import type { Budget } from '../budget.ts';

/** No state: nothing that begins like this is in the set. */
export const DEAD = -1;

/**
 * A set of byte strings as a deterministic automaton; state 0 begins. Bytes that no
 * state tells apart are one class, and each class is an interval.   S states, C classes
 */
export interface Dfa {
  /** First byte of each class, ascending from 0.   [C] */
  readonly starts: Uint8Array;
  /** Following state by state and class, or DEAD.   [S · C] */
  readonly next: Int32Array;
  /** 1 where the bytes so far are in the set.   [S] */
  readonly accept: Uint8Array;
}

/** Class of every byte.   [256] */
export function classesOf(starts: Uint8Array): Uint8Array {
  const classOf = new Uint8Array(256);
  for (let byte = 0, c = 0; byte < 256; byte++) {
    if (c + 1 < starts.length && byte >= starts[c + 1]!) c++;
    classOf[byte] = c;
  }
  return classOf;
}

/** Whether the whole of `bytes` is in the set. */
export function accepts(dfa: Dfa, bytes: ArrayLike<number>): boolean {
  const classOf = classesOf(dfa.starts);
  let state = 0;
  for (let i = 0; i < bytes.length && state !== DEAD; i++) {
    state = dfa.next[state * dfa.starts.length + classOf[bytes[i]!]!]!;
  }
  return state !== DEAD && dfa.accept[state] === 1;
}

export function isEmpty(dfa: Dfa): boolean {
  return !dfa.accept.includes(1);
}

/** Which members two sets give to a third. */
export type Combination = 'and' | 'minus' | 'or';

const keeps: Readonly<Record<Combination, (inA: boolean, inB: boolean) => boolean>> = {
  and: (inA, inB) => inA && inB,
  minus: (inA, inB) => inA && !inB,
  or: (inA, inB) => inA || inB,
};

/** The product automaton of two sets, of least size. */
export function combine(a: Dfa, b: Dfa, how: Combination, budget: Budget): Dfa {
  const starts = Uint8Array.from(new Set([...a.starts, ...b.starts])).sort();
  const [classA, classB] = [classesOf(a.starts), classesOf(b.starts)];
  const keep = keeps[how];
  const pairs: [number, number][] = [];
  const ids = new Map<number, number>();
  const width = b.accept.length + 1;
  const idOf = (stateA: number, stateB: number): number => {
    const aloneDead = how === 'and' ? stateA === DEAD || stateB === DEAD : stateA === DEAD;
    if (how === 'or' ? stateA === DEAD && stateB === DEAD : aloneDead) return DEAD;
    const key = (stateA + 1) * width + stateB + 1;
    let id = ids.get(key);
    if (id === undefined) {
      budget.states(1);
      id = pairs.push([stateA, stateB]) - 1;
      ids.set(key, id);
    }
    return id;
  };
  idOf(0, 0);
  const next: number[] = [];
  for (let i = 0; i < pairs.length; i++) {
    const [stateA, stateB] = pairs[i]!;
    budget.work(starts.length);
    for (const byte of starts) {
      const toA = stateA === DEAD ? DEAD : a.next[stateA * a.starts.length + classA[byte]!]!;
      const toB = stateB === DEAD ? DEAD : b.next[stateB * b.starts.length + classB[byte]!]!;
      next.push(idOf(toA, toB));
    }
  }
  const accept = pairs.map(([stateA, stateB]) =>
    Number(keep(stateA !== DEAD && a.accept[stateA] === 1, stateB !== DEAD && b.accept[stateB] === 1)),
  );
  return minimise({ starts, next: Int32Array.from(next), accept: Uint8Array.from(accept) }, budget);
}

/**
 * Arrows of a complete automaton backwards: those into `to` of class `c` lie at
 * `at[to · C + c]` and on.
 */
interface Arrows {
  readonly at: Int32Array;
  readonly from: Int32Array;
}

function backwards(next: (state: number, c: number) => number, states: number, classes: number): Arrows {
  const at = new Int32Array(states * classes + 1);
  for (let s = 0; s < states; s++) {
    for (let c = 0; c < classes; c++) at[next(s, c) * classes + c + 1]!++;
  }
  for (let i = 0; i < states * classes; i++) at[i + 1]! += at[i]!;
  const place = at.slice();
  const from = new Int32Array(states * classes);
  for (let s = 0; s < states; s++) {
    for (let c = 0; c < classes; c++) from[place[next(s, c) * classes + c]!++] = s;
  }
  return { at, from };
}

/** States in blocks that are cut in two while members differ (Hopcroft 1971). */
class Partition {
  /** States, those of a block together; where each lies; its block. */
  readonly members: Int32Array;
  readonly blockOf: Int32Array;
  readonly begin: number[] = [];
  readonly end: number[] = [];
  #place: Int32Array;
  /** Members at the front of each block that were marked. */
  #marked: number[] = [];

  constructor(states: number) {
    this.members = Int32Array.from({ length: states }, (_, s) => s);
    this.#place = this.members.slice();
    this.blockOf = new Int32Array(states);
    this.begin.push(0);
    this.end.push(states);
    this.#marked.push(0);
  }

  /** Whether it is the first of its block since the last split. */
  mark(state: number): boolean {
    const block = this.blockOf[state]!;
    const front = this.begin[block]! + this.#marked[block]!;
    const place = this.#place[state]!;
    if (place < front) return false;
    const other = this.members[front]!;
    this.members[front] = state;
    this.members[place] = other;
    this.#place[state] = front;
    this.#place[other] = place;
    return this.#marked[block]!++ === 0;
  }

  /**
   * Cuts the marked members off into a new block, which is given; undefined where
   * all were marked.
   */
  split(block: number): number | undefined {
    const middle = this.begin[block]! + this.#marked[block]!;
    this.#marked[block] = 0;
    if (middle === this.end[block]) return undefined;
    const fresh = this.begin.push(this.begin[block]!) - 1;
    this.end.push(middle);
    this.#marked.push(0);
    this.begin[block] = middle;
    for (let i = this.begin[fresh]!; i < middle; i++) this.blockOf[this.members[i]!] = fresh;
    return fresh;
  }

  size(block: number): number {
    return this.end[block]! - this.begin[block]!;
  }
}

/**
 * The automaton of the same set with the fewest states; those that lead nowhere are
 * DEAD.
 */
export function minimise(dfa: Dfa, budget: Budget): Dfa {
  const C = dfa.starts.length;
  const dead = dfa.accept.length;
  const states = dead + 1;
  budget.work(states * C * 4);
  const next = (s: number, c: number) => {
    const to = s === dead ? DEAD : dfa.next[s * C + c]!;
    return to === DEAD ? dead : to;
  };
  const arrows = backwards(next, states, C);
  const partition = new Partition(states);
  const waiting: [number, number][] = [];
  for (let s = 0; s < dead; s++) if (dfa.accept[s] === 1) partition.mark(s);
  if (dfa.accept.includes(1)) {
    const fresh = partition.split(0)!; // the dead state was not marked
    for (let c = 0; c < C; c++) waiting.push([fresh, c]);
  }
  refine(partition, waiting, arrows, C, budget);
  return quotient(dfa, partition, partition.blockOf[dead]!);
}

function refine(
  partition: Partition,
  waiting: [number, number][],
  arrows: Arrows,
  C: number,
  budget: Budget,
): void {
  const isWaiting = new Set(waiting.map(([block, c]) => block * C + c));
  for (let job = waiting.pop(); job !== undefined; job = waiting.pop()) {
    const [splitter, c] = job;
    isWaiting.delete(splitter * C + c);
    const touched: number[] = [];
    const into = partition.members.slice(partition.begin[splitter], partition.end[splitter]);
    budget.work(into.length);
    for (const to of into) {
      for (let i = arrows.at[to * C + c]!; i < arrows.at[to * C + c + 1]!; i++) {
        const from = arrows.from[i]!;
        if (partition.mark(from)) touched.push(partition.blockOf[from]!);
      }
    }
    for (const block of touched) {
      const fresh = partition.split(block);
      if (fresh === undefined) continue;
      for (let k = 0; k < C; k++) {
        const smaller = partition.size(fresh) <= partition.size(block) ? fresh : block;
        const each = isWaiting.has(block * C + k) ? fresh : smaller;
        if (isWaiting.has(each * C + k)) continue;
        isWaiting.add(each * C + k);
        waiting.push([each, k]);
      }
    }
  }
}

/**
 * A state a block, in the order in which they are reached; classes that no state
 * tells apart become one.
 */
function quotient(dfa: Dfa, partition: Partition, deadBlock: number): Dfa {
  const C = dfa.starts.length;
  const order: number[] = [];
  const place = new Map<number, number>();
  const placeOf = (state: number): number => {
    const block = state === DEAD ? deadBlock : partition.blockOf[state]!;
    if (block === deadBlock) return DEAD;
    let at = place.get(block);
    if (at === undefined) {
      at = order.push(state) - 1;
      place.set(block, at);
    }
    return at;
  };
  if (placeOf(0) === DEAD)
    return { starts: Uint8Array.of(0), next: Int32Array.of(DEAD), accept: Uint8Array.of(0) };
  const rows: Int32Array[] = [];
  for (let i = 0; i < order.length; i++) {
    const row = new Int32Array(C);
    for (let c = 0; c < C; c++) row[c] = placeOf(dfa.next[order[i]! * C + c]!);
    rows.push(row);
  }
  const kept = Array.from({ length: C }, (_, c) => c).filter(
    (c) => c === 0 || rows.some((row) => row[c] !== row[c - 1]),
  );
  const next = new Int32Array(rows.length * kept.length);
  for (const [s, row] of rows.entries())
    for (const [k, c] of kept.entries()) next[s * kept.length + k] = row[c]!;
  return {
    starts: Uint8Array.from(kept, (c) => dfa.starts[c]!),
    next,
    accept: Uint8Array.from(order, (state) => dfa.accept[state]!),
  };
}
