/**
 * SentencePiece BPE exactly as its C++ code states it (bpe_model.cc, SampleEncode with alpha 0),
 * symbol by symbol: the definition that the fast path equals, and what runs for the rare
 * vocabularies it does not cover (unused pieces, user-defined pieces with spaces, spaces inside
 * pieces).
 */
import { UNUSED, USER_DEFINED, NORMAL, type PieceList } from './piece-list.ts';

export interface PlainSymbol {
  /** Id, or −1 for text that is no piece. */
  readonly id: number;
  readonly text: string;
}

interface Candidate {
  readonly left: number;
  readonly score: number;
  readonly length: number;
  readonly right: number;
}

export class PlainSentencePiece {
  readonly #ids = new Map<string, number>();
  readonly #userDefined: readonly string[];
  readonly #pieces: PieceList;

  /** @param found ids that are cut out of a text before it comes here. */
  constructor(pieces: PieceList, found: ReadonlySet<number> = new Set()) {
    this.#pieces = pieces;
    const userDefined: string[] = [];
    for (let id = 0; id < pieces.size; id++) {
      const type = pieces.types[id];
      if (type !== NORMAL && type !== USER_DEFINED && type !== UNUSED) continue;
      if (type === USER_DEFINED && found.has(id)) continue;
      const name = pieces.name(id);
      this.#ids.set(name, id);
      if (type === USER_DEFINED) userDefined.push(name);
    }
    this.#userDefined = userDefined.sort((a, b) => b.length - a.length);
  }

  /** `normalized`: the text with spaces as `▁` and the dummy prefix in place. */
  encode(normalized: string): PlainSymbol[] {
    const texts: string[] = [];
    const frozen: boolean[] = [];
    for (let at = 0; at < normalized.length;) {
      const match = this.#userDefined.find((piece) => normalized.startsWith(piece, at));
      const text = match ?? String.fromCodePoint(normalized.codePointAt(at) ?? 0);
      texts.push(text);
      frozen.push(match !== undefined);
      at += text.length;
    }
    const n = texts.length;
    const prev = Int32Array.from({ length: n }, (_, i) => i - 1);
    const next = Int32Array.from({ length: n }, (_, i) => (i + 1 < n ? i + 1 : -1));
    const agenda: Candidate[] = [];
    const splits = new Map<string, readonly [string, string]>();
    const consider = (left: number, right: number): void => {
      if (left < 0 || right < 0 || frozen[left] || frozen[right]) return;
      const piece = texts[left] + texts[right];
      const id = this.#ids.get(piece);
      if (id === undefined) return;
      pushHeap(agenda, { left, right, score: this.#pieces.scores[id], length: piece.length });
      if (this.#pieces.types[id] === UNUSED) splits.set(piece, [texts[left], texts[right]]);
    };
    for (let i = 1; i < n; i++) consider(i - 1, i);
    while (agenda.length > 0) {
      const { left, right, length } = popHeap(agenda);
      if (texts[left] === '' || texts[right] === '' || texts[left].length + texts[right].length !== length)
        continue;
      texts[left] += texts[right];
      texts[right] = '';
      next[left] = next[right];
      if (next[left] >= 0) prev[next[left]] = left;
      consider(prev[left], left);
      consider(left, next[left]);
    }
    const out: PlainSymbol[] = [];
    for (let i = n > 0 ? 0 : -1; i >= 0; i = next[i]) this.#resegment(texts[i], splits, out, 0);
    return out;
  }

  /** An unused piece is given as the two symbols it was merged from. */
  #resegment(
    text: string,
    splits: ReadonlyMap<string, readonly [string, string]>,
    out: PlainSymbol[],
    depth: number,
  ): void {
    const id = this.#ids.get(text) ?? -1;
    const split = splits.get(text);
    if (id < 0 || this.#pieces.types[id] !== UNUSED || depth > 100) {
      out.push({ id, text });
    } else if (split === undefined) {
      out.push({ id: -1, text });
    } else {
      this.#resegment(split[0], splits, out, depth + 1);
      this.#resegment(split[1], splits, out, depth + 1);
    }
  }
}

function before(a: Candidate, b: Candidate): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}

function pushHeap(heap: Candidate[], item: Candidate): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(item, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = item;
}

function popHeap(heap: Candidate[]): Candidate {
  const top = heap[0];
  const last = heap.pop() as Candidate; // the caller checked that the heap holds one
  if (heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return top;
}
