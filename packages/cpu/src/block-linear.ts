import { type DType, dtypes, fail, type Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { dtypeCodes, type Encoder } from './encoder.ts';
import * as commands from './generated/commands.ts';

interface Format {
  /** Of `withFormat` in cpp/kernels/block-format.h. */
  readonly code: number;
  /** 16 packed rows of 256 weights. */
  readonly bytes: number;
  /** Scales of a block of 32. */
  readonly halves: number;
}

const formats: Partial<Record<DType, Format>> = {
  q8_0: { code: 0, bytes: 8 * 544, halves: 1 },
  q4_0: { code: 1, bytes: 8 * 288, halves: 1 },
  q4_1: { code: 2, bytes: 8 * 320, halves: 1 },
  q5_0: { code: 3, bytes: 8 * 352, halves: 1 },
  q5_1: { code: 4, bytes: 8 * 384, halves: 1 },
  q4_k: { code: 5, bytes: 2368, halves: 1 },
  q5_k: { code: 6, bytes: 2880, halves: 1 },
  q6_k: { code: 7, bytes: 3360, halves: 2 },
};

/**
 * Up to so many rows a product is a stream of its weight, and several of them one stream: threads
 * do not meet between them.
 */
export const FEW_ROWS = 16;

const PANEL = 16;
const BLOCK = 32;
/** From this many rows on, taking a weight apart into bf16 costs less than what tiles gain by it. */
const WIDEN_FROM_ROWS = 64;

/** Whether this device multiplies with weights of such blocks. */
export function isBlockFormat(dtype: DType): boolean {
  return dtypes[dtype].blockSize > 1 && formats[dtype] !== undefined;
}

/** The format's code; throws where there are no kernels for it. */
export function formatCode(op: string, w: Tensor): number {
  return formatOf(op, w).code;
}

function formatOf(op: string, w: Tensor) {
  return (
    formats[w.dtype] ??
    fail(
      op,
      `there are no kernels for ${w.dtype} weights here.`,
      `the formats are ${Object.keys(formats).join(', ')}`,
    )
  );
}

/** Bytes of a packed weight, or of its first rows. */
export function packedBlockBytes(w: Tensor, rows = w.rows): number {
  const { code, bytes } = formatOf('cpu.pack', w);
  const panel = (w.columns * bytes) / 256;
  // Groups of four blocks of Q8_0 have room for four rows of scales, also where blocks are missing.
  const missing = code === 0 ? -(w.columns / BLOCK) & 3 : 0;
  return Math.ceil(rows / PANEL) * (panel + missing * 2 * PANEL);
}

export function packBlocks({ list }: Encoder, to: Place, w: Tensor): void {
  const { code } = formatOf('cpu.pack', w);
  commands.packBlocks(list, { packed: to, source: w, columns: w.rows, k: w.columns, format: code });
}

/** One product of several that share x. */
export interface BlockProduct {
  readonly y: Tensor;
  readonly w: Tensor;
  readonly residual?: Tensor | undefined;
}

/** Activations as products with weights of one format take them. */
interface Rounded {
  readonly q: Place;
  readonly scales: Place;
  readonly starts: Place;
}

/**
 * y = x·wᵀ (+ residual) for each: activations are rounded to 8 bits first, once for all weights of
 * a format. With `fastPrefill`, many rows are multiplied in bf16 instead.
 */
export function blockLinears(encoder: Encoder, x: Tensor, products: readonly BlockProduct[]): void {
  const { list } = encoder;
  const [rows, k] = [x.rows, x.columns];
  if (encoder.fastPrefill && rows >= WIDEN_FROM_ROWS) {
    for (const { y, w, residual } of products)
      widenedLinear(encoder, y, x, w, residual, formatOf('linear', w).code);
    return;
  }
  const blocks = (rows * k) / BLOCK;
  const formatsHere = [...new Set(products.map(({ w }) => formatOf('linear', w)))];
  const roundings = formatsHere.flatMap(({ halves }) => [rows * k, 4 * blocks, 4 * blocks * halves]);
  const packings = products.map(({ w }) => (w.layout === 'plain' ? packedBlockBytes(w) : 0));
  const places = encoder.scratch.begin(list, ...roundings, ...packings);
  const rounded = formatsHere.map(({ code }, i): Rounded => {
    const [q, scales, starts] = places.slice(3 * i) as [Place, Place, Place];
    commands.roundRows(list, { q, scales, starts, x, rows, k, type: dtypeCodes[x.dtype]!, format: code });
    return { q, scales, starts };
  });
  const weights = products.map(({ w }, i) => {
    if (packings[i] === 0) return w;
    const packed = places[roundings.length + i]!;
    packBlocks(encoder, packed, w);
    return packed;
  });
  const encode = () =>
    products.forEach(({ y, w, residual }, i) => {
      const format = formatOf('linear', w);
      const { q, scales, starts } = rounded[formatsHere.indexOf(format)]!;
      commands.blockProduct(list, {
        y,
        q,
        scales,
        starts,
        w: weights[i]!,
        residual,
        rows,
        columns: w.rows,
        k,
        type: dtypeCodes[y.dtype]!,
        format: format.code,
      });
    });
  if (products.length > 1 && rows <= FEW_ROWS) list.together(encode);
  else encode();
}

/** y = bf16(x)·bf16(w)ᵀ (+ residual) */
function widenedLinear(
  encoder: Encoder,
  y: Tensor,
  x: Tensor,
  w: Tensor,
  residual: Tensor | undefined,
  code: number,
): void {
  const { list } = encoder;
  let packed: Place = w;
  if (w.layout === 'plain') {
    [packed] = encoder.scratch.begin(list, packedBlockBytes(w)) as [Place];
    packBlocks(encoder, packed, w);
  }
  commands.widenedProduct(list, {
    y,
    x,
    w: packed,
    residual,
    rows: x.rows,
    columns: w.rows,
    k: w.columns,
    typeY: dtypeCodes[y.dtype]!,
    typeX: dtypeCodes[x.dtype]!,
    format: code,
  });
}
