import type { ComputeDType, DType } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { Bench, type Results } from './bench.ts';
import { fillCache, startsOf } from './cases/attention.ts';
import { ropeTable } from './cases/activation.ts';
import type { Check, Subject } from './checks.ts';
import { expectSameBits } from './compare.ts';

type Outputs = Readonly<Record<string, Tensor>>;

/** Rows of a batch, cut in pieces that start in and out of step with tiles. */
const ROWS = 131;
const PIECES = [1, 2, 62, 1, 64, 1];

/**
 * For devices that claim `batchInvariant`: a row computed with others has the bits it has alone. `pieces` holds the row counts of the
 * calls, which together compute what one call of the whole computes.
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
    check(subject, dtype, 'rope, swiglu, swigluGrad, add', (b, pieces) => {
      const [x, gate, dy] = [b.normal([ROWS, 36]), b.normal([ROWS, 36]), b.normal([ROWS, 36])];
      const [positions, table] = [b.indices(ROWS, 50), ropeTable(b, 50, 12)];
      const [turned, y, dgate, dup, sum] = Array.from({ length: 5 }, () => b.output([ROWS, 36]));
      forPieces(pieces, (cut) => {
        b.kernels.rope(cut(turned), cut(x), cut(positions), table, { heads: 3, pairing: 'half' });
        b.kernels.swiglu(cut(y), cut(gate), cut(x));
        b.kernels.swigluGrad(cut(dgate), cut(dup), cut(dy), cut(gate), cut(x));
        b.kernels.add(cut(sum), cut(x), cut(dy));
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
    check(subject, dtype, 'attention and attentionGrad, packed and alone', packedAttention),
    pagedCheck(subject, dtype),
  ]);
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
        const dtable = b.changing('normal', [9, 33], 'wide');
        const dgain = b.changing('normal', [33], 'wide');
        const dhead = b.changing('normal', [70, 33], 'wide');
        forPieces(cuts, (cut) => {
          b.kernels.rmsNorm(cut(y), cut(rstd), cut(x), gain, { eps: 1e-5 });
          b.kernels.rmsNormGrad(cut(dx), dgain, cut(dy), cut(x), gain, cut(rstd));
          b.kernels.linearGradWeight(dw, cut(dy), cut(x));
          b.kernels.embeddingGrad(dtable, cut(dy), cut(tokens));
          b.kernels.linearCrossEntropy(cut(losses), cut(x), w, cut(targets), { dx: cut(dx), dw: dhead });
        });
        return { dw, dtable, dgain, dhead };
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
function forPieces(pieces: readonly number[], body: (cut: (tensor: Tensor) => Tensor) => void): void {
  const starts = startsOf(pieces);
  for (let i = 0; i < pieces.length; i++) body((tensor) => tensor.slice(starts[i], starts[i + 1]));
}

const SHAPE = { heads: 4, kvHeads: 2 };
const LENGTHS = [1, 129, 7, 64, 70];

/** One packed call where `pieces` is the whole, else one call a segment. */
function packedAttention(b: Bench, pieces: readonly number[]): Outputs {
  const rows = startsOf(LENGTHS).at(-1) ?? 0;
  const [q, dout] = [b.normal([rows, 64]), b.normal([rows, 64])];
  const [k, v] = [b.normal([rows, 32]), b.normal([rows, 32])];
  const [out, lse, dq] = [b.output([rows, 64]), b.wideOutput([rows, 4]), b.output([rows, 64])];
  const [dk, dv] = [b.output([rows, 32]), b.output([rows, 32])];
  const packed = pieces.length === 1;
  forPieces(packed ? [rows] : LENGTHS, (cut) => {
    const segments = b.integers(packed ? startsOf(LENGTHS) : [0, cut(q).rows]);
    b.kernels.attention(cut(out), cut(lse), cut(q), cut(k), cut(v), segments, SHAPE);
    const forward = [cut(q), cut(k), cut(v), cut(out), cut(lse)] as const;
    b.kernels.attentionGrad(cut(dq), cut(dk), cut(dv), cut(dout), ...forward, segments, SHAPE);
  });
  return { out, lse, dq, dk, dv };
}

/** Rows over a paged cache, one by one and in chunks, have the bits of full attention. */
function pagedCheck(subject: Subject, dtype: ComputeDType): Check {
  const name = `paged attention is full attention, ${dtype}`;
  return {
    group: 'batch invariance',
    name,
    async run() {
      const run = async (cuts: readonly number[] | undefined) => {
        const b = new Bench(subject.device, dtype, name);
        return b.finish({ out: cuts ? pagedRows(b, cuts) : fullRows(b) });
      };
      const full = await run(undefined);
      for (const cuts of [[200], [1, 127, 1, 3, 64, 4], Array<number>(200).fill(1)]) {
        expectSameBits(await run(cuts), full, `prefill in chunks of ${cuts.slice(0, 6).join(', ')}`);
      }
    },
  };
}

function operands(b: Bench) {
  return { q: b.normal([200, 64]), k: b.normal([200, 32]), v: b.normal([200, 32]), out: b.output([200, 64]) };
}

function fullRows(b: Bench): Tensor {
  const { q, k, v, out } = operands(b);
  b.kernels.attention(out, b.wideOutput([200, 4]), q, k, v, b.integers([0, 200]), SHAPE);
  return out;
}

function pagedRows(b: Bench, cuts: readonly number[]): Tensor {
  const { q, k, v, out } = operands(b);
  const { caches, blockTable } = fillCache(b, [200], k, v);
  const ends = startsOf(cuts).slice(1);
  cuts.forEach((rows, i) => {
    const cut = (tensor: Tensor) => tensor.slice(ends[i] - rows, ends[i]);
    const [starts, lengths] = [b.integers([0, rows]), b.integers([ends[i]])];
    b.kernels.pagedAttention(cut(out), cut(q), ...caches, blockTable, starts, lengths, SHAPE);
  });
  return out;
}
