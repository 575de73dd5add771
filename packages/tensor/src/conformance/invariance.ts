import type { ComputeDType, DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { Bench, numbersOf, type Results } from './bench.ts';
import { CACHES, fillCache, startsOf } from './cases/attention.ts';
import { PLAIN_ROW } from './cases/sample.ts';
import { ropeTable } from './cases/activation.ts';
import type { Check, Subject } from './checks.ts';
import { expectSameBits } from './compare.ts';

type Outputs = Readonly<Record<string, Tensor>>;

/** Rows of a batch, cut in pieces that start in and out of step with tiles. */
const ROWS = 131;
const PIECES = [1, 2, 62, 1, 64, 1];

/**
 * For devices that claim `batchInvariant`: a row computed with others has the bits it has alone.
 * `pieces` holds the row counts of the calls, which together compute what one call of the whole
 * computes.
 */
export function invarianceChecks(subject: Subject): Check[] {
  if (subject.device.determinism !== 'batchInvariant') return [];
  return subject.dtypes.flatMap((dtype) => [
    ...linearChecks(subject, dtype),
    ...linearsChecks(subject, dtype),
    check(subject, dtype, 'linearGradInput', (b, pieces) => {
      const [dy, w, dx] = [b.normal([ROWS, 100]), b.normal([100, 65]), b.output([ROWS, 65])];
      forPieces(pieces, (cut) => b.kernels.linearGradInput(cut(dx), cut(dy), w));
      return { dx };
    }),
    check(subject, dtype, 'rmsNorm, rmsNormGrad', (b, pieces) => {
      const [x, gain, dy] = [b.normal([ROWS, 100]), b.normal([100]), b.normal([ROWS, 100])];
      const [y, rstd, dx] = [b.output([ROWS, 100]), b.wideOutput([ROWS]), b.output([ROWS, 100])];
      forPieces(pieces, (cut) => {
        b.kernels.rmsNorm(cut(y), cut(rstd), cut(x), gain, { eps: 1e-5 });
        b.kernels.rmsNormGrad(cut(dx), undefined, cut(dy), cut(x), gain, cut(rstd));
      });
      return { y, rstd, dx };
    }),
    check(subject, dtype, 'rope, swiglu, swigluGrad, add, addBias', (b, pieces) => {
      const [x, gate, dy] = [b.normal([ROWS, 36]), b.normal([ROWS, 36]), b.normal([ROWS, 36])];
      const [positions, table] = [b.indices(ROWS, 50), ropeTable(b, 50, 12)];
      const bias = b.normal([36]);
      const [turned, y, dgate, dup, sum] = Array.from({ length: 5 }, () => b.output([ROWS, 36]));
      forPieces(pieces, (cut) => {
        b.kernels.rope(cut(turned), cut(x), cut(positions), table, { heads: 3, pairing: 'half' });
        b.kernels.swiglu(cut(y), cut(gate), cut(x));
        b.kernels.swigluGrad(cut(dgate), cut(dup), cut(dy), cut(gate), cut(x));
        b.kernels.add(cut(sum), cut(x), cut(dy));
        b.kernels.addBias(cut(sum), bias);
      });
      return { turned, y, dgate, dup, sum };
    }),
    check(subject, dtype, 'linearCrossEntropy, losses and dx', (b, pieces) => {
      const [x, w] = [b.normal([ROWS, 65]), b.normal([257, 65], 0.3)];
      const [targets, losses, dx] = [b.indices(ROWS, 257), b.wideOutput([ROWS]), b.output([ROWS, 65])];
      forPieces(pieces, (cut) =>
        b.kernels.linearCrossEntropy(cut(losses), cut(x), w, cut(targets), { dx: cut(dx), dw: undefined }),
      );
      return { losses, dx };
    }),
    check(subject, dtype, 'sample, logProbabilities', (b, pieces) => {
      const logits = b.normal([ROWS, 300], 3);
      const [ids, chosen] = [b.integerOutput([ROWS]), b.wideOutput([ROWS])];
      const given = b.indices(ROWS, 300);
      const rows = Array.from({ length: ROWS }, (_, r) => ({
        ...PLAIN_ROW,
        temperature: 0.9,
        topP: 0.9,
        u: ((r * 37) % ROWS) / ROWS,
        topK: 1 + (r % 50),
      }));
      forPieces(pieces, (cut, start, end) => {
        b.kernels.sample(cut(ids), cut(logits), rows.slice(start, end));
        b.kernels.logProbabilities(cut(chosen), cut(logits), cut(given));
      });
      return { ids, chosen };
    }),
    ...WINDOWS.flatMap((window) => [
      check(subject, dtype, `attention and attentionGrad, packed and alone${windowed(window)}`, (b, pieces) =>
        packedAttention(b, pieces, window),
      ),
      pagedCheck(subject, dtype, window),
      ...CACHES.map((cache) => storedCheck(subject, dtype, cache, window)),
    ]),
    ...[togetherCheck, partCheck].map((make) => make(subject, dtype)),
  ]);
}

/** Over the first half of a vocabulary, or so. */
function partCheck(subject: Subject, dtype: ComputeDType): Check {
  return check(subject, dtype, 'linearSoftmaxShare, linearCrossEntropyShare, losses and dx', (b, pieces) => {
    const [x, w] = [b.normal([ROWS, 65]), b.normal([129, 65], 0.3)];
    const [targets, losses, dx] = [b.indices(ROWS, 257), b.wideOutput([ROWS]), b.output([ROWS, 65])];
    const [share, part] = [b.wideOutput([ROWS, 3]), { first: 128, of: 257 }];
    forPieces(pieces, (cut) => {
      b.kernels.linearSoftmaxShare(cut(share), cut(x), w, cut(targets), part);
      const shares = cut(share).reshape(1, cut(x).rows, 3);
      const grads = { dx: cut(dx), dw: undefined };
      b.kernels.linearCrossEntropyShare(cut(losses), shares, cut(x), w, cut(targets), part, grads);
    });
    return { share, losses, dx };
  });
}

function linearChecks(subject: Subject, dtype: ComputeDType): Check[] {
  const C = 512;
  const all: readonly DType[] = [...new Set<DType>([dtype, ...subject.weights])];
  return all.flatMap((weight) =>
    [false, true].map((packed) =>
      check(subject, dtype, `linear, weight ${weight}${packed ? ', packed' : ''}`, (b, pieces) => {
        const [x, plain] = [b.normal([ROWS, C]), b.weight([65, C], weight)];
        const [residual, y] = [b.normal([ROWS, 65]), b.output([ROWS, 65])];
        const w = packed ? b.device.pack(plain) : plain;
        forPieces(pieces, (cut) => b.kernels.linear(cut(y), cut(x), w, { residual: cut(residual) }));
        if (packed) b.device.free(w.storage);
        return { y };
      }),
    ),
  );
}

/** Several weights of one x in one call, of one type and mixed, have the bits of a call each, row by row. */
function linearsChecks(subject: Subject, dtype: ComputeDType): Check[] {
  const [rows, C, N] = [9, 512, [65, 16, 33]];
  const all: readonly DType[] = [...new Set<DType>([dtype, ...subject.weights])];
  const mixtures = [...all.map((weight) => [weight, weight, weight]), [all[0], all.at(-1) ?? dtype, all[0]]];
  mixtures.push(all.slice(-3));
  return mixtures.flatMap((weights) =>
    [false, true].map((packed) =>
      check(
        subject,
        dtype,
        `linears, weights ${weights.join(', ')}${packed ? ', packed' : ''}`,
        (b, pieces) => {
          const x = b.normal([rows, C]);
          const plain = weights.map((weight, i) => b.weight([N[i], C], weight));
          const ws = packed ? plain.map((w) => b.device.pack(w)) : plain;
          const ys = weights.map((_, i) => b.output([rows, N[i]]));
          if (pieces.length === 1) b.kernels.linears(ys, x, ws);
          else forPieces(pieces, (cut) => ws.forEach((w, i) => b.kernels.linear(cut(ys[i]), cut(x), w)));
          if (packed) for (const w of ws) b.device.free(w.storage);
          return Object.fromEntries(ys.map((y, i) => [`y${i}`, y]));
        },
        'batch invariance',
        [rows],
        [1, 2, 5, 1],
      ),
    ),
  );
}

/** Parameter gradients of two calls that meet at a multiple of `rowChunk` are those of one call. */
export function splitChecks(subject: Subject): Check[] {
  if (subject.device.determinism !== 'batchInvariant') return [];
  const chunk = subject.device.rowChunk;
  const rows = 4 * chunk + 5;
  const pieces = [chunk, 2 * chunk, chunk, 5];
  return subject.dtypes.map((dtype) =>
    check(
      subject,
      dtype,
      `gradients of parameters, rows split at multiples of ${chunk}`,
      (b, cuts) => {
        const [x, dy, gain] = [b.normal([rows, 33]), b.normal([rows, 33]), b.normal([33])];
        const [tokens, targets] = [b.indices(rows, 9), b.indices(rows, 70)];
        const [w, losses, dx] = [b.normal([70, 33], 0.3), b.wideOutput([rows]), b.output([rows, 33])];
        const [y, rstd] = [b.output([rows, 33]), b.wideOutput([rows])];
        const dw = b.changing('normal', [33, 33], 'wide');
        const dbias = b.changing('normal', [33], 'wide');
        const dtable = b.changing('normal', [9, 33], 'wide');
        const dgain = b.changing('normal', [33], 'wide');
        const dhead = b.changing('normal', [70, 33], 'wide');
        const dpart = b.changing('normal', [70, 33], 'wide');
        const [share, part] = [b.wideOutput([rows, 3]), { first: 0, of: 70 }];
        forPieces(cuts, (cut) => {
          b.kernels.rmsNorm(cut(y), cut(rstd), cut(x), gain, { eps: 1e-5 });
          b.kernels.rmsNormGrad(cut(dx), dgain, cut(dy), cut(x), gain, cut(rstd));
          b.kernels.linearGradWeight(dw, cut(dy), cut(x));
          b.kernels.biasGrad(dbias, cut(dy));
          b.kernels.embeddingGrad(dtable, cut(dy), cut(tokens));
          b.kernels.linearCrossEntropy(cut(losses), cut(x), w, cut(targets), { dx: cut(dx), dw: dhead });
          b.kernels.linearSoftmaxShare(cut(share), cut(x), w, cut(targets), part);
          const [shares, grads] = [cut(share).reshape(1, cut(x).rows, 3), { dx: cut(dx), dw: dpart }];
          b.kernels.linearCrossEntropyShare(cut(losses), shares, cut(x), w, cut(targets), part, grads);
        });
        return { dw, dbias, dtable, dgain, dhead, dpart };
      },
      'row chunks',
      [rows],
      pieces,
    ),
  );
}

function check(
  subject: Subject,
  dtype: ComputeDType,
  name: string,
  run: (b: Bench, pieces: readonly number[]) => Outputs,
  group = 'batch invariance',
  whole: readonly number[] = [ROWS],
  pieces: readonly number[] = PIECES,
): Check {
  return {
    group,
    name: `${name}, ${dtype}`,
    async run() {
      const results: Results[] = [];
      for (const cuts of [whole, pieces]) {
        const bench = new Bench(subject.device, dtype, name);
        results.push(await bench.finish(run(bench, cuts)));
      }
      expectSameBits(results[1], results[0], `rows in calls of ${pieces.join(', ')}`);
    },
  };
}

/** Calls `body` once for each piece, with a function that cuts its rows from a tensor. */
function forPieces(
  pieces: readonly number[],
  body: (cut: (tensor: Tensor) => Tensor, start: number, end: number) => void,
): void {
  const starts = startsOf(pieces);
  for (let i = 0; i < pieces.length; i++) {
    const [start, end] = [starts[i], starts[i + 1]];
    body((tensor) => tensor.slice(start, end), start, end);
  }
}

const SHAPE = { heads: 4, kvHeads: 2 };
/** Of attention: none, and one that begins inside chunks and tiles. */
const WINDOWS = [undefined, 45] as const;
type Window = (typeof WINDOWS)[number];
const windowed = (window: Window) => (window ? `, window ${window}` : '');
const LENGTHS = [1, 129, 7, 64, 70];

/** One packed call where `pieces` is the whole, else one call a segment. */
function packedAttention(b: Bench, pieces: readonly number[], window: Window): Outputs {
  const shape = { ...SHAPE, window };
  const rows = startsOf(LENGTHS).at(-1) ?? 0;
  const [q, dout] = [b.normal([rows, 64]), b.normal([rows, 64])];
  const [k, v] = [b.normal([rows, 32]), b.normal([rows, 32])];
  const [out, lse, dq] = [b.output([rows, 64]), b.wideOutput([rows, 4]), b.output([rows, 64])];
  const [dk, dv] = [b.output([rows, 32]), b.output([rows, 32])];
  const packed = pieces.length === 1;
  forPieces(packed ? [rows] : LENGTHS, (cut) => {
    const segments = b.integers(packed ? startsOf(LENGTHS) : [0, cut(q).rows]);
    b.kernels.attention(cut(out), cut(lse), cut(q), cut(k), cut(v), segments, shape);
    const forward = [cut(q), cut(k), cut(v), cut(out), cut(lse)] as const;
    b.kernels.attentionGrad(cut(dq), cut(dk), cut(dv), cut(dout), ...forward, segments, shape);
  });
  return { out, lse, dq, dk, dv };
}

/** Rows over a paged cache, one by one and in chunks, have the bits of full attention. */
function pagedCheck(subject: Subject, dtype: ComputeDType, window: Window): Check {
  const name = `paged attention is full attention${windowed(window)}, ${dtype}`;
  return {
    group: 'batch invariance',
    name,
    async run() {
      const run = async (cuts: readonly number[] | undefined) => {
        const b = new Bench(subject.device, dtype, name);
        return b.finish({ out: cuts ? pagedRows(b, cuts, window) : fullRows(b, window) });
      };
      const full = await run(undefined);
      for (const cuts of CUTS) {
        expectSameBits(await run(cuts), full, `prefill in chunks of ${cuts.slice(0, 6).join(', ')}`);
      }
    },
  };
}

/** Rows of a sequence that crosses chunks of 128 keys, in calls of so many. */
const PAGED = 300;
const CUTS = [[PAGED], [1, 127, 1, 3, 64, 4, 99, 1], Array<number>(PAGED).fill(1)];

/** The same over a cache that is stored in its own way, where full attention has nothing to compare. */
function storedCheck(subject: Subject, dtype: ComputeDType, cache: DType, window: Window): Check {
  const name = `paged attention over a cache of ${cache} in chunks of any length${windowed(window)}, ${dtype}`;
  return {
    group: 'batch invariance',
    name,
    async run() {
      const run = async (cuts: readonly number[]) => {
        const b = new Bench(subject.device, dtype, name);
        return b.finish({ out: pagedRows(b, cuts, window, cache) });
      };
      const whole = await run(CUTS[0]);
      for (const cuts of CUTS.slice(1))
        expectSameBits(await run(cuts), whole, `prefill in chunks of ${cuts.slice(0, 6).join(', ')}`);
    },
  };
}

/** Several sequences at once, some without rows, give the bits of each alone; what is not finite in one stays there. */
function togetherCheck(subject: Subject, dtype: ComputeDType): Check {
  const name = `paged attention of sequences together and alone, ${dtype}`;
  const lengths = [130, 0, 1, 257, 40, 128];
  const rows = [1, 0, 1, 2, 40, 5];
  return {
    group: 'batch invariance',
    name,
    async run() {
      for (const cache of CACHES) {
        for (const spoiled of [-1, 3]) {
          const run = (alone: boolean) =>
            sequencesOver(subject, dtype, name, { lengths, rows, cache, spoiled, alone });
          const together = await run(false);
          expectSameBits(await run(true), together, `a cache of ${cache}`);
          const numbers = numbersOf(together.out);
          const first = startsOf(rows).map((start) => start * 128);
          numbers.forEach((value, i) => {
            const own = spoiled >= 0 && i >= first[spoiled] && i < first[spoiled + 1];
            if (!own && !Number.isFinite(value))
              throw new Error(`a cache of ${cache}: out[${Math.floor(i / 128)}, ${i % 128}] became ${value}`);
          });
        }
      }
    },
  };
}

interface Together {
  readonly lengths: readonly number[];
  readonly rows: readonly number[];
  readonly cache: DType;
  /** Sequence whose keys and values are NaN and infinite here and there; −1: none. */
  readonly spoiled: number;
  readonly alone: boolean;
}

async function sequencesOver(
  subject: Subject,
  dtype: ComputeDType,
  name: string,
  { lengths, rows, cache, spoiled, alone }: Together,
): Promise<Results> {
  const b = new Bench(subject.device, dtype, name);
  const [T, total] = [startsOf(rows).at(-1)!, startsOf(lengths).at(-1)!];
  const [q, out] = [b.normal([T, 128]), b.output([T, 128])];
  const [from, to] = [startsOf(lengths)[spoiled], startsOf(lengths)[spoiled + 1]];
  const wave = (bad: number) =>
    b.float(
      Float64Array.from({ length: total * 64 }, (_, i) => {
        const row = Math.floor(i / 64);
        return row >= from && row < to && i % 517 === 3 ? bad : Math.sin(i);
      }),
      [total, 64],
    );
  const { caches, blockTable } = fillCache(b, lengths, wave(Infinity), wave(NaN), 16, cache);
  const shape = { heads: 4, kvHeads: 2 };
  for (const [s, count] of alone ? rows.entries() : [[-1, T] as const]) {
    if (count === 0) continue;
    const starts = startsOf(rows);
    const cut = (tensor: Tensor) => (alone ? tensor.slice(starts[s], starts[s + 1]) : tensor);
    const table = alone ? blockTable.slice(s, s + 1) : blockTable;
    const own = alone ? [0, count] : starts;
    b.kernels.pagedAttention(
      cut(out),
      cut(q),
      ...caches,
      table,
      b.integers(own),
      b.integers(alone ? [lengths[s]] : lengths),
      shape,
    );
  }
  return b.finish({ out });
}

function operands(b: Bench) {
  return {
    q: b.normal([PAGED, 128]),
    k: b.normal([PAGED, 64]),
    v: b.normal([PAGED, 64]),
    out: b.output([PAGED, 128]),
  };
}

function fullRows(b: Bench, window: Window): Tensor {
  const { q, k, v, out } = operands(b);
  b.kernels.attention(out, b.wideOutput([PAGED, 4]), q, k, v, b.integers([0, PAGED]), { ...SHAPE, window });
  return out;
}

function pagedRows(b: Bench, cuts: readonly number[], window: Window, cache?: DType): Tensor {
  const shape = { ...SHAPE, window };
  const { q, k, v, out } = operands(b);
  const { caches, blockTable } = fillCache(b, [PAGED], k, v, 16, cache);
  const ends = startsOf(cuts).slice(1);
  cuts.forEach((rows, i) => {
    const cut = (tensor: Tensor) => tensor.slice(ends[i] - rows, ends[i]);
    const [starts, lengths] = [b.integers([0, rows]), b.integers([ends[i]])];
    b.kernels.pagedAttention(cut(out), cut(q), ...caches, blockTable, starts, lengths, shape);
  });
  return out;
}
