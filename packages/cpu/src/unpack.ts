import type { Tensor } from '@cria/tensor';
import { formatCode, isBlockFormat } from './block-linear.ts';
import { dtypeCodes, type Encoder } from './encoder.ts';
import * as commands from './generated/commands.ts';
import { type Made, matrix, type Matrix, type Numbers, numbers } from './matrix.ts';

/** Columns of a weight, as the right factor of dx = dy·w. */
interface Stripe {
  /** Of the weight's columns. */
  readonly first: number;
  readonly columns: number;
  readonly b: Matrix & { readonly as: 'along' };
  /** Where the columns are not to be had as they lie. */
  readonly made?: Made;
}

/** Bytes that are made numbers at one time. */
const MOST_MADE = 16 << 20;
/** Whole blocks of every format. */
const WHOLE = 256;

/**
 * A weight [N, C] for `linearGradInput`. A plain one is one stripe. A packed or quantised one is
 * made numbers again, some columns at a time, so that the scratch does not grow with it: in the
 * type that its plain form multiplies in, so that the bits are those of that.
 */
export function stripesOf(
  encoder: Encoder,
  dy: Tensor,
  w: Tensor,
): { readonly unit: Numbers; readonly all: readonly Stripe[] } {
  const blocks = isBlockFormat(w.dtype);
  const wide = blocks || w.dtype === 'f32';
  const unit = wide && dy.dtype === 'bf16' ? 'bf16' : blocks ? 'f32' : numbers(w);
  if (w.layout === 'plain' && !blocks)
    return { unit, all: [{ first: 0, columns: w.columns, b: { ...matrix(w), as: 'along' } }] };
  const dtype = blocks ? unit : numbers(w);
  const bytesAColumn = w.rows * (dtype === 'f32' ? 4 : 2);
  const most = WHOLE * Math.max(1, Math.floor(MOST_MADE / bytesAColumn / WHOLE));
  const all: Stripe[] = [];
  for (let first = 0; first < w.columns; first += most) {
    const columns = Math.min(most, w.columns - first);
    const b = { place: { storage: 0, offset: 0 }, stride: columns, dtype, as: 'along' } as const;
    const made = { bytes: columns * bytesAColumn, into: unpacking(encoder, w, dtype, first, columns) };
    all.push({ first, columns, b, made });
  }
  return { unit, all };
}

function unpacking(
  { list }: Encoder,
  w: Tensor,
  dtype: Numbers,
  first: number,
  columns: number,
): Made['into'] {
  if (!isBlockFormat(w.dtype))
    return (to) => {
      const given = { y: to, packed: w, rows: w.rows, k: w.columns, first, columns };
      commands.unpackPanels(list, given, dtypeCodes[dtype]!);
    };
  return (to) => {
    commands.unpackBlocks(list, {
      y: to,
      x: w,
      rows: w.rows,
      k: w.columns,
      first,
      columns,
      typeY: dtypeCodes[dtype]!,
      format: formatCode('linearGradInput', w),
      panels: w.layout !== 'plain',
    });
  };
}
