import { byteLength, type Tensor } from '@cria/tensor';
import { formatCode, isBlockFormat, packedBlockBytes } from './block-linear.ts';
import type { Place } from './command-list.ts';
import { dtypeCodes, type Encoder } from './encoder.ts';
import * as commands from './generated/commands.ts';
import { type Made, matrix, type Matrix, type Numbers, numbers, packedBytes } from './matrix.ts';

/** Columns of a weight, as the right factor of dx = dy·w. */
interface Stripe {
  /** Of the weight's columns. */
  readonly first: number;
  readonly columns: number;
  readonly b: Matrix & { readonly as: 'along' };
  /** Where the columns are not to be had as they lie. */
  readonly made?: Made;
}

/** Rows and columns of a weight. A packed one is cut between panels, a quantised one between blocks. */
interface Box {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstColumn: number;
  readonly columns: number;
}

/** Bytes that are made numbers at one time. */
const MOST_MADE = 16 << 20;
/** Whole blocks of every format. */
const WHOLE = 256;

/** Whether products take the weight as it lies, without making its numbers first. */
export function liesPlain(w: Tensor): boolean {
  return w.layout === 'plain' && !isBlockFormat(w.dtype);
}

/**
 * What gradients of rows multiply a weight [N, C] in, however it is stored: the type that its plain
 * form multiplies in, so that the bits are those of that.
 */
export function unitOf(rows: Tensor, w: Tensor): Numbers {
  const blocks = isBlockFormat(w.dtype);
  if ((blocks || w.dtype === 'f32') && rows.dtype === 'bf16') return 'bf16';
  return blocks ? 'f32' : numbers(w);
}

/** The type of the numbers that a weight's box is made of: its own, or the unit's where it has none. */
export function madeType(w: Tensor, unit: Numbers): Numbers {
  return isBlockFormat(w.dtype) ? unit : numbers(w);
}

/**
 * A weight [N, C] for `linearGradInput`. A plain one is one stripe. A packed or quantised one is
 * made numbers again, some columns at a time, so that the scratch does not grow with it.
 */
export function stripesOf(
  encoder: Encoder,
  dy: Tensor,
  w: Tensor,
): { readonly unit: Numbers; readonly all: readonly Stripe[] } {
  const unit = unitOf(dy, w);
  if (liesPlain(w))
    return { unit, all: [{ first: 0, columns: w.columns, b: { ...matrix(w), as: 'along' } }] };
  const dtype = madeType(w, unit);
  const bytesAColumn = w.rows * (dtype === 'f32' ? 4 : 2);
  const most = WHOLE * Math.max(1, Math.floor(MOST_MADE / bytesAColumn / WHOLE));
  const all: Stripe[] = [];
  for (let first = 0; first < w.columns; first += most) {
    const columns = Math.min(most, w.columns - first);
    const box = { firstRow: 0, rows: w.rows, firstColumn: first, columns };
    const b = { place: { storage: 0, offset: 0 }, stride: columns, dtype, as: 'along' } as const;
    const into = (to: Place) => unpack(encoder, w, box, { place: to, stride: columns, dtype });
    all.push({ first, columns, b, made: { bytes: columns * bytesAColumn, into } });
  }
  return { unit, all };
}

/** Makes numbers of a box of a weight that is packed or quantised, row by row with nothing between. */
export function unpack(encoder: Encoder, w: Tensor, box: Box, to: Matrix): void {
  const { list } = encoder;
  const { rows, firstColumn: first, columns } = box;
  const type = dtypeCodes[to.dtype ?? 'f32']!;
  const from = { storage: w.storage, offset: w.offset + bytesBefore(encoder, w, box.firstRow) };
  if (!isBlockFormat(w.dtype)) {
    commands.unpackPanels(list, { y: to.place, packed: from, rows, k: w.columns, first, columns }, type);
    return;
  }
  commands.unpackBlocks(list, {
    y: to.place,
    x: from,
    rows,
    k: w.columns,
    first,
    columns,
    typeY: type,
    format: formatCode('linearGradInput', w),
    panels: w.layout !== 'plain',
  });
}

function bytesBefore(encoder: Encoder, w: Tensor, row: number): number {
  if (!isBlockFormat(w.dtype)) return packedBytes(encoder, numbers(w), row, w.columns);
  return w.layout === 'plain' ? byteLength(w.dtype, row * w.columns) : packedBlockBytes(w, row);
}
