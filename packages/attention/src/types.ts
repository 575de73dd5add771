/**
 * Letters: T query rows, N key rows, S segments or sequences, H query heads, K key/value heads, E
 * head width, G = H / K. Query head h reads key/value head floor(h / G). All arrays are flat and
 * row-major.
 */

/** Numbers of one precision. Arithmetic is double in both; f32 arrays round what they store. */
export type FloatArray = Float32Array | Float64Array;

/** The part of a problem that every function of this package shares. */
export interface HeadOptions {
  /** H, query heads. */
  readonly heads: number;
  /** K, key/value heads; must divide `heads`. Default: `heads` (multi-head attention). */
  readonly kvHeads?: number;
  /** E, elements a head. */
  readonly headDim: number;
  /** Factor on q·k. Default: 1/√E. */
  readonly scale?: number;
  /**
   * A row sees so many keys at most: those of the last `window` positions, its own among them.
   * Default: all before it.
   */
  readonly window?: number;
}

/** Causal attention of T query rows over N key rows. */
export interface AttentionOptions extends HeadOptions {
  /**
   * Packed documents: segment s holds rows segments[s] to segments[s + 1], attention is causal
   * inside a segment and never crosses it. Ascending, from 0 to T; needs N = T. Default: one
   * segment.
   */
  readonly segments?: Int32Array;
  /**
   * Query row t stands at position t + queryOffset and sees keys 0 to that position; one segment
   * only. Default: N − T.
   */
  readonly queryOffset?: number;
}

/** The plain oracle's options. */
export interface OracleOptions extends AttentionOptions {
  /** [T, N], 0 hides a key on top of causality. Default: nothing more is hidden. */
  readonly allowed?: Uint8Array;
}

export interface AttentionResult<A extends FloatArray = FloatArray> {
  /** [T, H, E] */
  readonly out: A;
  /** [T, H], natural log of Σ exp(score); −∞ where a row sees no key. */
  readonly lse: A;
}

export interface AttentionGradients<A extends FloatArray = FloatArray> {
  /** [T, H, E] */
  readonly dq: A;
  /** [N, K, E] */
  readonly dk: A;
  /** [N, K, E] */
  readonly dv: A;
}

/** Attention over a cache of fixed-size blocks. */
export interface PagedOptions extends HeadOptions {
  /** Keys a block; a divisor of `KEY_CHUNK` (128). */
  readonly blockSize: number;
  /**
   * [S, blocks a sequence at most]: key p of sequence s lies in block blockTable[s, p / blockSize]
   * at place p mod blockSize.
   */
  readonly blockTable: Int32Array;
  /** [S + 1]: sequence s owns query rows queryStarts[s] to queryStarts[s + 1]. */
  readonly queryStarts: Int32Array;
  /**
   * [S]: keys of the sequence in the cache, those of its query rows included; its last query row
   * stands at position lengths[s] − 1.
   */
  readonly lengths: Int32Array;
}

/** A checked problem with every default filled in: what the kernels take. */
export interface Problem {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
  /** Infinity for none. */
  readonly window: number;
  readonly segments: Int32Array;
  readonly queryOffset: number;
  /** N, key rows. */
  readonly keys: number;
}
