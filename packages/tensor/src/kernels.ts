import type { Tensor } from './tensor.ts';

/*
 * The operations a LLaMA needs, and no more. Outputs come first, nothing is allocated for the
 * caller, scratch belongs to the device, and a call only appends to the device's command list.
 * Shapes are checked once, above the device (`checked.ts`).
 *
 *   T rows (tokens of all sequences)
 *     D, M, N, C widths   H heads   K key/value heads   E head width   V vocabulary   S sequences
 *
 * x is always a float tensor of the compute dtype (f32, bf16, f64); gradients of parameters, rstd,
 * lse, losses and norms are f32 (f64 beside f64). Gradients of parameters always accumulate;
 * gradients of inputs overwrite unless `accumulate` is given. Sums over tokens run in token order
 * in chunks of `device.rowChunk` rows.
 */

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  /** Factor on q·k; 1/√E where absent. */
  readonly scale?: number;
  /** A row sees so many positions at most, its own among them; all before it where absent. */
  readonly window?: number | undefined;
}

/**
 * Which elements of a head form a rotated pair: `adjacent` (2j, 2j+1) as in Meta's and GGUF's
 * weights, `half` (j, j + E/2) as in HF's.
 */
export type RopePairing = 'adjacent' | 'half';

export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled: value *= 1 − learningRate · weightDecay. */
  readonly weightDecay: number;
  /** Every gradient is multiplied by this first: clipping and the division by the number of tokens. */
  readonly gradientScale: number;
  /** Update number, from 1, for the bias corrections. */
  readonly step: number;
}

/** How `sample` chooses from one row of logits: `SamplingOptions` of `@cria/inference` says what each number does. */
export interface SampleRow {
  /** From 0 on; below 1e-5 the largest score is taken, the lowest id of equals. */
  readonly temperature: number;
  /** 0: all. */
  readonly topK: number;
  /** 0 to 1, 1: all. */
  readonly topP: number;
  /** 0 to 1, 0: all. */
  readonly minP: number;
  /** The temperature divides what top-k, top-p and min-p left (llama.cpp), not what they see (Hugging Face). */
  readonly temperatureLast: boolean;
  /** Above 0. */
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  /** Elements of `seen` and `times` that are this row's. */
  readonly firstSeen: number;
  readonly endSeen: number;
  /** Row of `masks`; −1: every id is allowed. */
  readonly mask: number;
  /** The draw, in [0, 1). */
  readonly u: number;
}

/** What `sample` writes in the place of an id where there is none to choose. */
export const SAMPLE_FAULTS = { nan: -1, nothing: -2, infinity: -3, masked: -4 } as const;

export interface SampleOptions {
  /**
   * The rows' ids that occurred, none of them twice in a row's part, and how often presence and
   * frequency count each.
   * i32 [N]
   */
  readonly seen?: Tensor;
  readonly times?: Tensor;
  /** Bits of the ids that are allowed, bit b of word w for id 32·w + b.     i32 [M, ⌈V′ / 32⌉] */
  readonly masks?: Tensor;
  /** V′: columns behind it only pad the logits. Default all. */
  readonly vocabulary?: number;
}

export interface LogProbabilityOptions {
  readonly ranks?: Tensor;
  readonly top?: { readonly ids: Tensor; readonly values: Tensor };
  readonly vocabulary?: number;
}

/**
 * Rows of a vocabulary that a table or an output weight holds where ranks share them: ids `first`
 * and on, of `of` in all. Any id below `of` may be asked for; those of other parts are theirs to
 * answer.
 */
export interface VocabularyPart {
  readonly first: number;
  readonly of: number;
}

/** Where gradients of a loss go: dx is overwritten, dw accumulates and may be left out. */
export interface LossGradients {
  readonly dx: Tensor;
  readonly dw: Tensor | undefined;
}

export interface Kernels {
  // A product of rows in halves with a plain f32 weight may round the weight to those halves first.
  /**
   * y = x·wᵀ (+ residual, added once after the sum; may be y itself)
   * y: [T, N]   x: [T, C]   w: [N, C] plain, packed or quantised
   */
  linear(y: Tensor, x: Tensor, w: Tensor, options?: { readonly residual?: Tensor }): void;
  /** ys[i] = x·ws[i]ᵀ, each with the bits of `linear`: several weights of one x (q, k and v; gate and up) in one go */
  linears(ys: readonly Tensor[], x: Tensor, ws: readonly Tensor[]): void;
  /**
   * dx = dy·w (+ dx)
   * dx: [T, C]   dy: [T, N]   w: [N, C] plain, packed or quantised
   */
  linearGradInput(dx: Tensor, dy: Tensor, w: Tensor, options?: { readonly accumulate?: boolean }): void;
  /** dw += dyᵀ·x                                                           dw: [N, C]   dy: [T, N]   x: [T, C] */
  linearGradWeight(dw: Tensor, dy: Tensor, x: Tensor): void;

  /** y[t] += bias                                                          y: [T, N]   bias: [N] of any float type */
  addBias(y: Tensor, bias: Tensor): void;
  /** dbias += Σ_T dy[t], one row after another                             dbias: [N]   dy: [T, N] */
  biasGrad(dbias: Tensor, dy: Tensor): void;

  /**
   * y[t] = table[tokens[t]], zeros where the token is another part's
   *     y: [T, D]   tokens: i32 [T]   table: [V, D], or a part of it
   */
  embedding(y: Tensor, tokens: Tensor, table: Tensor, part?: VocabularyPart): void;
  /** dtable[tokens[t]] += dy[t], in token order, of this part's tokens     dtable: [V, D], or a part of it */
  embeddingGrad(dtable: Tensor, dy: Tensor, tokens: Tensor, part?: VocabularyPart): void;

  /**
   * y = x · rstd · gain, rstd = rsqrt(mean(x²) + eps)
   * x, y: [T, D]   gain: [D]   rstd: [T], or undefined where not wanted
   */
  rmsNorm(
    y: Tensor,
    rstd: Tensor | undefined,
    x: Tensor,
    gain: Tensor,
    options: { readonly eps: number },
  ): void;
  /**
   * dx = rstd · (dy∘gain − x̂ · mean(dy∘gain∘x̂)) (+ dx);
   * dgain += Σ_T dy∘x̂         x̂ = x · rstd;  dgain undefined: not wanted
   */
  rmsNormGrad(
    dx: Tensor,
    dgain: Tensor | undefined,
    dy: Tensor,
    x: Tensor,
    gain: Tensor,
    rstd: Tensor,
    options?: { readonly accumulate?: boolean },
  ): void;

  /**
   * Rotates every head of x by its position's angles; y may be x. `inverse` turns back, which is also the gradient.
   *                                    x, y: [T, H·E]
   *                                      positions: i32 [T]   table: [P, E], row p = cos, sin of
   *                                      pair 0, cos, sin of pair 1, …
   */
  rope(
    y: Tensor,
    x: Tensor,
    positions: Tensor,
    table: Tensor,
    options: { readonly heads: number; readonly pairing: RopePairing; readonly inverse?: boolean },
  ): void;

  /** y = silu(gate) ∘ up                                                   all [T, F] */
  swiglu(y: Tensor, gate: Tensor, up: Tensor): void;
  /** dgate = dy∘up∘silu′(gate);  dup = dy∘silu(gate).  dgate may be gate, dup may be up. */
  swigluGrad(dgate: Tensor, dup: Tensor, dy: Tensor, gate: Tensor, up: Tensor): void;

  /**
   * Causal grouped-query attention inside segments: segment s holds rows segments[s] to segments[s + 1].
   *                                    out, q: [T, H·E]
   *                                      k, v: [T, K·E]   lse: [T, H]   segments: i32 [S + 1], from
   *                                      0 to T
   */
  attention(
    out: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: Tensor,
    shape: AttentionShape,
  ): void;
  /** dq, dk, dv (overwritten) from dout and what the forward pass left.    dq: [T, H·E]   dk, dv: [T, K·E] */
  attentionGrad(
    dq: Tensor,
    dk: Tensor,
    dv: Tensor,
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    segments: Tensor,
    shape: AttentionShape,
  ): void;

  /**
   * keyCache[slot(t)] = k[t], likewise v; a slot is block · blockSize + place, and a negative one
   * writes nothing. Caches are stored as floats of any dtype or as Q8_0, whatever k and v are; a
   * block of Q8_0 that cannot hold its numbers (not finite) reads as NaN.
   *                                    caches: [blocks, blockSize, K·E]   k, v: [T, K·E]   slots: i32 [T] */
  cacheWrite(keyCache: Tensor, valueCache: Tensor, k: Tensor, v: Tensor, slots: Tensor): void;
  /**
   * Attention over a paged cache, for one row a sequence (decode) or many (prefill). Sequence s
   * owns the query rows queryStarts[s] to queryStarts[s + 1], the last of which stands at position
   * lengths[s] − 1; key p lies in block blockTable[s, p / blockSize]. A cache of Q8_0 needs heads
   * whose width is a multiple of 32.
   *                                    out, q: [T, H·E]
   *                                      blockTable: i32 [S, B]   queryStarts: i32 [S + 1]  
   *                                      lengths: i32 [S]
   */
  pagedAttention(
    out: Tensor,
    q: Tensor,
    keyCache: Tensor,
    valueCache: Tensor,
    blockTable: Tensor,
    queryStarts: Tensor,
    lengths: Tensor,
    shape: AttentionShape,
  ): void;

  /**
   * losses[t] = −weights[t] · log softmax(x[t]·wᵀ)[targets[t]], 0 where the target is −100 or the
   * weight 0; the logits of a step are never all held at once. With `grads` also dx (overwritten)
   * and dw += of the **sum** of the losses, in the same pass. Without weights each is 1.
   *                                    losses, weights: [T], f32 (f64 beside f64)
   *                                      x, dx: [T, D]   w, dw: [V, D]   targets: i32 [T]
   */
  linearCrossEntropy(
    losses: Tensor,
    x: Tensor,
    w: Tensor,
    targets: Tensor,
    grads?: LossGradients,
    weights?: Tensor,
  ): void;
  /**
   * What a part of the vocabulary has of the softmax of each row: share[t] = max z, Σ exp(z − max
   * z), z[targets[t]] with z = x[t]·wᵀ; the last 0 where the target is another part's or −100. Of
   * logits that are all −∞ the sum is 0.
   *     share: [T, 3], f32 (f64 beside f64)   x: [T, D]   w: [V of the part, D]   targets: i32 [T]
   */
  linearSoftmaxShare(share: Tensor, x: Tensor, w: Tensor, targets: Tensor, part: VocabularyPart): void;
  /**
   * `linearCrossEntropy` over the whole vocabulary, by one of the ranks that have a part of it
   * each: `shares` are those of all parts, in an order that is the same on all ranks. Losses are
   * whole and have the same bits everywhere; dx is this part's term of a sum over the parts, dw +=
   * of its rows. One part that is the whole gives the bits of `linearCrossEntropy` where
   * intermediate values have the dtype of the shares.
   *     shares: [R, T, 3]   losses, weights: [T]   x, dx: [T, D]   w, dw: [V of the part, D]
   */
  linearCrossEntropyShare(
    losses: Tensor,
    shares: Tensor,
    x: Tensor,
    w: Tensor,
    targets: Tensor,
    part: VocabularyPart,
    grads?: LossGradients,
    weights?: Tensor,
  ): void;

  /** y[i] = x[rows[i]]                                                     y: [R, D]   x: [T, D]   rows: i32 [R] */
  gatherRows(y: Tensor, x: Tensor, rows: Tensor): void;
  /** y = a + b, element by element; y may be a or b. */
  add(y: Tensor, a: Tensor, b: Tensor): void;
  /**
   * y = x, converted to y's dtype (round to nearest even); a plain copy where the dtypes agree.
   * Same number of elements.
   */
  cast(y: Tensor, x: Tensor): void;
  /** Every element of y = value. */
  fill(y: Tensor, value: number): void;

  /**
   * ids[r] = an id drawn from logits[r] as `rows[r]` says: mask, penalties, temperature, top-k,
   * top-p, min-p, draw, in doubles and in the order of the ids (`scores/` has the arithmetic), so
   * that every device has the same ids. A row without an id to choose gets one of `SAMPLE_FAULTS`:
   * NaN among its logits, no finite one, +Infinity, or none that the mask allows.
   *                                    ids: i32 [R]   logits: [R, V]
   */
  sample(ids: Tensor, logits: Tensor, rows: readonly SampleRow[], options?: SampleOptions): void;
  /**
   * chosen[r] = log softmax(logits[r])[ids[r]], over V′ columns; ranks[r]: how many ids are more
   * probable, or as probable and lower; of the N
   * most probable ids their values too, in that order.
   *   chosen: [R], f32 (f64 beside f64)   logits: [R, V]   ids: i32 [R]   ranks: i32 [R]   top.ids:
   *   i32 [R, N]   top.values: [R, N] as chosen
   */
  logProbabilities(chosen: Tensor, logits: Tensor, ids: Tensor, options?: LogProbabilityOptions): void;

  /**
   * out[0] = Σ x², summed on an absolute grid; not finite when any element is not.
   * out: [1], f32 (f64 beside f64)
   */
  sumSquares(out: Tensor, x: Tensor): void;
  /**
   * g = gradient · gradientScale;  value *= 1 − lr·wd;  m = β₁m + (1−β₁)g;  v = β₂v + (1−β₂)g²;
   * value −= lr / (1−β₁ᵗ) · m / (√v / √(1−β₂ᵗ) + ε)
   *   (Loshchilov & Hutter 2019, algorithm 2, in PyTorch's order of operations)
   * `copy`, where given, receives the new value in its own dtype.          all flat, same size
   */
  adamw(
    value: Tensor,
    gradient: Tensor,
    firstMoment: Tensor,
    secondMoment: Tensor,
    settings: AdamWSettings,
    copy?: Tensor,
  ): void;
}

/** The target of a row that counts nothing. */
export const IGNORE_TARGET = -100;

/** The kernels by name, as data; one that is added above and not here does not compile. */
export const kernelNames = Object.keys({
  linear: true,
  linears: true,
  linearGradInput: true,
  linearGradWeight: true,
  addBias: true,
  biasGrad: true,
  embedding: true,
  embeddingGrad: true,
  rmsNorm: true,
  rmsNormGrad: true,
  rope: true,
  swiglu: true,
  swigluGrad: true,
  attention: true,
  attentionGrad: true,
  cacheWrite: true,
  pagedAttention: true,
  linearCrossEntropy: true,
  linearSoftmaxShare: true,
  linearCrossEntropyShare: true,
  gatherRows: true,
  add: true,
  cast: true,
  fill: true,
  sample: true,
  logProbabilities: true,
  sumSquares: true,
  adamw: true,
} satisfies Record<keyof Kernels, true>) as readonly (keyof Kernels)[]; // the keys of a constant object
