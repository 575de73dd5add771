/**
 * Unigram models: of all ways to cut a text into pieces the one whose scores add up highest
 * (sentencepiece, unigram_model.cc, EncodeOptimized). One pass over the text: at every place the
 * best way to it is known, and every piece that begins there offers a way to its end. Equal sums
 * leave the earlier way, as there; sums are float64 of float32 scores, kept in float32.
 */
import { ByteTrie } from '../bytes/byte-trie.ts';
import { decodeUtf8, encodeUtf8, sequenceLength } from '../bytes/utf8.ts';
import { ListEncoder, type MeasuredToken } from './list-encoder.ts';
import { NORMAL, UNUSED, USER_DEFINED, type PieceList } from './piece-list.ts';
import type { SentencePieceRules } from './rules.ts';

/** How much worse than the worst piece an unknown character is. */
const UNKNOWN_PENALTY = 10;

interface Cut {
  readonly start: number;
  readonly end: number;
  /** −1 for a character that is no piece. */
  readonly id: number;
}

export class UnigramEncoder extends ListEncoder {
  readonly #pieces: PieceList;
  readonly #normalize: (text: string, prefix: boolean) => string;
  readonly #trie = new ByteTrie();
  readonly #unknownScore: number;
  /**
   * By id. A user-defined piece costs nothing, so that cuts with it beat those without
   * (sentencepiece 0.2.3).
   */
  readonly #scores: Float64Array;

  /** @param found ids of added tokens, which are cut out of a text before it comes here. */
  constructor(
    pieces: PieceList,
    rules: SentencePieceRules,
    byteFallback: boolean,
    normalize: (text: string, prefix: boolean) => string,
    found: ReadonlySet<number>,
  ) {
    super(rules, byteFallback);
    this.#pieces = pieces;
    this.#normalize = normalize;
    let lowest = Infinity;
    for (let id = 0; id < pieces.size; id++) {
      const type = pieces.types[id];
      if (type === NORMAL) lowest = Math.min(lowest, pieces.scores[id]);
      const counts = type === NORMAL || type === UNUSED || (type === USER_DEFINED && !found.has(id));
      if (counts && !pieces.spacedNames.has(id))
        this.#trie.add(pieces.pool, pieces.offsets[id], pieces.offsets[id + 1], id);
    }
    this.#unknownScore = lowest - UNKNOWN_PENALTY;
    this.#scores = Float64Array.from(pieces.scores, (score, id) =>
      pieces.types[id] === USER_DEFINED ? 0 : score,
    );
  }

  override tokens(text: string, prefix: boolean): MeasuredToken[] {
    const bytes = encodeUtf8(this.#normalize(text, prefix).replaceAll('▁', ' '));
    const tokens: MeasuredToken[] = [];
    for (const { start, end, id } of this.#best(bytes)) {
      if (id >= 0) tokens.push({ id, length: end - start });
      else this.addUnknown(tokens, decodeUtf8(bytes.subarray(start, end)), end - start);
    }
    return tokens;
  }

  /** The best cut of bytes[0 .. n), from the front. */
  #best(bytes: Uint8Array): Cut[] {
    const n = bytes.length;
    const scores = new Float32Array(n + 1);
    const from = new Int32Array(n + 1).fill(-1);
    const by = new Int32Array(n + 1).fill(-1);
    const trie = this.#trie;
    for (let at = 0; at < n;) {
      const here = scores[at];
      const character = Math.min(sequenceLength(bytes[at]), n - at);
      let single = false;
      let node = trie.root;
      for (let to = at; to < n;) {
        node = trie.step(node, bytes[to++]);
        if (node < 0) break;
        const id = trie.idAt(node);
        if (id < 0 || this.#pieces.types[id] === UNUSED) continue;
        const sum = this.#scores[id] + here;
        if (from[to] < 0 || sum > scores[to]) {
          scores[to] = sum;
          from[to] = at;
          by[to] = id;
        }
        single ||= to - at === character;
      }
      const next = at + character;
      if (!single && (from[next] < 0 || this.#unknownScore + here > scores[next])) {
        scores[next] = this.#unknownScore + here;
        from[next] = at;
        by[next] = -1;
      }
      at = next;
    }
    const cuts: Cut[] = [];
    for (let end = n; end > 0; end = from[end]) cuts.push({ start: from[end], end, id: by[end] });
    return cuts.reverse();
  }
}
