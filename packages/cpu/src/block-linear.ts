import { type DType, dtypes, fail, type Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import { dtypeCodes, type Encoder } from './encoder.ts';

/** Codes of `withFormat` in cpp/kernels/block-format.h, and the bytes of 16 packed rows of 256 weights. */
const formats: Partial<
  Record<DType, { readonly code: number; readonly bytes: number; readonly halves: number }>
> = {
  q8_0: { code: 0, bytes: 8 * 544, halves: 1 },
  q4_0: { code: 1, bytes: 8 * 288, halves: 1 },
  q4_1: { code: 2, bytes: 8 * 320, halves: 1 },
  q5_0: { code: 3, bytes: 8 * 352, halves: 1 },
  q5_1: { code: 4, bytes: 8 * 384, halves: 1 },
  q4_k: { code: 5, bytes: 2368, halves: 1 },
  q5_k: { code: 6, bytes: 2880, halves: 1 },
  q6_k: { code: 7, bytes: 3360, halves: 2 },
};

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

/** Bytes of a packed weight. */
export function packedBlockBytes(w: Tensor): number {
  const { bytes } = formatOf('cpu.pack', w);
  return (Math.ceil(w.rows / PANEL) * w.columns * bytes) / 256;
}

export function packBlocks({ list }: Encoder, to: Place, w: Tensor): void {
  list.begin('packBlocks').place(to).place(w).number(w.rows).number(w.columns);
  list.number(formatOf('cpu.pack', w).code).end();
}

/**
 * y = x·wᵀ (+ residual): activations are rounded to 8 bits first, once for the whole product. With `fastPrefill`, many rows are
 * multiplied in bf16 instead.
 */
export function blockLinear(
  encoder: Encoder,
  y: Tensor,
  x: Tensor,
  w: Tensor,
  residual: Tensor | undefined,
): void {
  const { code, halves } = formatOf('linear', w);
  const [rows, k] = [x.rows, w.columns];
  if (encoder.fastPrefill && rows >= WIDEN_FROM_ROWS) return widenedLinear(encoder, y, x, w, residual, code);
  const blocks = (rows * k) / BLOCK;
  const packing = w.layout === 'plain' ? packedBlockBytes(w) : 0;
  const [q, scales, starts, packed] = encoder.scratch.begin(
    encoder.list,
    rows * k,
    4 * blocks,
    4 * blocks * halves,
    packing,
  ) as [Place, Place, Place, Place];
  if (packing > 0) packBlocks(encoder, packed, w);
  const { list } = encoder;
  list.begin('roundRows').place(q).place(scales).place(starts).place(x).number(rows).number(k);
  list.number(dtypeCodes[x.dtype]!).number(code).end();
  list.begin('blockProduct').place(y).place(q).place(scales).place(starts);
  list.place(packing > 0 ? packed : w).place(residual ?? { storage: 0, offset: 0 });
  list.number(rows).number(w.rows).number(k).number(dtypeCodes[y.dtype]!).number(code).end();
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
  list.begin('widenedProduct').place(y).place(x).place(packed);
  list.place(residual ?? { storage: 0, offset: 0 });
  list.number(x.rows).number(w.rows).number(w.columns);
  list.number(dtypeCodes[y.dtype]!).number(dtypeCodes[x.dtype]!).number(code).end();
}
