import { describe, fail, type Kernels, refuseWeight, type Tensor } from '@cria/tensor';
import { blockLinears, FEW_ROWS, isBlockFormat } from './block-linear.ts';
import type { Place } from './command-list.ts';
import { dtypeCodes, type Encoder, multipliesHalves } from './encoder.ts';
import * as commands from './generated/commands.ts';
import { fromColumn, type Made, type Matrix, matrix, type Numbers, numbers, packedBytes } from './matrix.ts';
import { stripesOf } from './unpack.ts';

/** How a factor lies in memory: `Gemm::Factor` and `Gemm::Right` in cpp/kernels/gemm/gemm.h. */
const left = { byRows: 0, byColumns: 1, inStrips: 2 } as const;
const right = { packed: 0, across: 1, along: 2 } as const;

export interface Product {
  readonly c: Matrix;
  readonly a: Matrix & { readonly as: keyof typeof left };
  readonly b: Matrix & { readonly as: keyof typeof right };
  readonly residual?: Matrix | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly k: number;
  /** The sums begin with what C holds. */
  readonly accumulate?: boolean;
  /** Dtype of the weight, which decides the arithmetic; default f32. */
  readonly unit?: Numbers;
}

/**
 * From this many rows on, both factors are packed once for the whole product: fewer rows take the
 * weight as it lies.
 */
const PACK_FROM_ROWS = 64;
/**
 * Up to this many rows the chunk that multiplies by some columns packs them by the way, and no
 * packed weight goes through memory (256 rows by 5632x2048, one core: 185 → 209 GFLOP/s in bf16).
 */
const PACK_BY_THE_WAY_ROWS = 512;

export function linearKernels(
  encoder: Encoder,
): Pick<Kernels, 'linear' | 'linears' | 'linearGradInput' | 'linearGradWeight'> {
  const kernels: ReturnType<typeof linearKernels> = {
    linear(y, x, w, { residual } = {}) {
      if (isBlockFormat(w.dtype)) return blockLinears(encoder, x, [{ y, w: ours(encoder, w), residual }]);
      forward(encoder, x, [{ y, w, residual }]);
    },

    linears(ys, x, ws) {
      const works = ws.map((w, i) => ({ y: ys[i]!, w }));
      const each = () => works.forEach(({ y, w }) => kernels.linear(y, x, w));
      if (ws.every(({ dtype }) => isBlockFormat(dtype)))
        blockLinears(
          encoder,
          x,
          works.map(({ y, w }) => ({ y, w: ours(encoder, w) })),
        );
      // Weights that are packed by the way share scratch, and cannot be packed for all products at one time.
      else if (x.rows <= FEW_ROWS && ws.every((w) => w.layout !== 'plain' && !isBlockFormat(w.dtype)))
        encoder.list.together(each);
      // The rows are packed once for all.
      else if (ws.every((w) => !isBlockFormat(w.dtype) && arithmetic(x, w) === arithmetic(x, ws[0]!)))
        forward(encoder, x, works);
      else each();
    },

    linearGradInput(dx, dy, w, { accumulate } = {}) {
      const stripes = stripesOf(encoder, dy, w.layout === 'plain' ? w : ours(encoder, w));
      const factors = { rows: dy.rows, k: w.rows, unit: stripes.unit };
      const products = stripes.all.map(({ first, ...stripe }) => {
        const c = fromColumn(matrix(dx), first);
        return { c, residual: accumulate ? c : undefined, ...stripe };
      });
      multiply(encoder, { ...matrix(dy), as: 'byRows' }, factors, products);
    },

    linearGradWeight(dw, dy, x) {
      const b = { ...matrix(x), as: 'along' } as const;
      const factors = { rows: dy.columns, k: x.rows, unit: numbers(x) };
      multiply(encoder, { ...matrix(dy), as: 'byColumns' }, factors, [
        { c: matrix(dw), b, columns: x.columns, accumulate: true },
      ]);
    },
  };
  return kernels;
}

/** y = x·wᵀ (+ residual) for several weights that multiply in the same arithmetic */
function forward(
  encoder: Encoder,
  x: Tensor,
  works: readonly { readonly y: Tensor; readonly w: Tensor; readonly residual?: Tensor | undefined }[],
): void {
  const unit = arithmetic(x, works[0]!.w);
  const products = works.map(({ y, w, residual }) => ({
    c: matrix(y),
    b:
      w.layout === 'plain'
        ? ({ ...matrix(w), as: 'across' } as const)
        : ({ place: ours(encoder, w), stride: 0, as: 'packed' } as const),
    residual: residual && matrix(residual),
    columns: w.rows,
  }));
  multiply(encoder, { ...matrix(x), as: 'byRows' }, { rows: x.rows, k: x.columns, unit }, products);
}

/** What the products of one left factor have in common. */
interface Common {
  readonly rows: number;
  readonly k: number;
  readonly unit: Numbers;
}

/** Products that share their left factor, each factor packed where that pays. */
function multiply(
  encoder: Encoder,
  a: Product['a'],
  { rows, k, unit }: Common,
  products: readonly (Pick<Product, 'c' | 'b' | 'residual' | 'columns' | 'accumulate'> & {
    readonly made?: Made | undefined;
  })[],
): void {
  const strips = rows >= PACK_FROM_ROWS && !takesTiles(encoder, unit);
  const asItLies = (as: Product['b']['as']) =>
    as === 'packed' ||
    (strips ? rows <= PACK_BY_THE_WAY_ROWS : rows < PACK_FROM_ROWS && (unit === 'f32' || as === 'along'));
  const panelBytes = products.map(({ b, columns }) =>
    asItLies(b.as) ? 0 : packedBytes(encoder, unit, columns, k),
  );
  const [left, right, made] = encoder.scratch.begin(
    encoder.list,
    strips ? stripsBytes(encoder, unit, rows, k) : 0,
    Math.max(...panelBytes),
    Math.max(...products.map((p) => p.made?.bytes ?? 0)),
  ) as [Place, Place, Place];
  if (strips) packStrips(encoder, left, a, unit, rows, k);
  products.forEach((p, i) => {
    p.made?.into(made);
    const b = p.made ? { ...p.b, place: made } : p.b;
    if (panelBytes[i]! > 0) pack(encoder, right, b as Source, unit, p.columns, k);
    product(encoder, {
      ...p,
      a: strips ? { place: left, stride: 0, as: 'inStrips' } : a,
      b: panelBytes[i]! > 0 ? { place: right, stride: 0, as: 'packed' } : b,
      rows,
      k,
      unit,
    });
  });
}

/** C = A·B (+ residual), or C += A·B as a chain that begins with C. */
export function product({ list }: Encoder, p: Product): void {
  const given = {
    c: p.c.place,
    a: p.a.place,
    b: p.b.place,
    residual: p.residual?.place,
    rows: p.rows,
    columns: p.columns,
    k: p.k,
    strideC: p.c.stride,
    strideA: p.a.stride,
    strideB: p.b.stride,
    strideResidual: p.residual?.stride ?? 0,
    left: left[p.a.as],
    right: right[p.b.as],
    accumulate: p.accumulate ?? false,
    typeC: code(p.c.dtype),
    typeA: code(p.a.dtype),
    typeB: code(p.b.dtype),
  };
  commands.gemm(list, given, code(p.unit));
}

/** `rows x columns x depth` of the command that `product` wrote at this position of a list. */
export function productShape(list: Float64Array, at: number): string {
  const { rows, columns, k } = commands.positionOf.gemm;
  return [rows, columns, k].map((position) => list[at + position]).join('x');
}

const code = (dtype: Numbers = 'f32') => dtypeCodes[dtype]!;

/** A right factor as it lies in memory. */
type Source = Matrix & { readonly as: 'across' | 'along' };

/** The left factor of a product into strips of rows. */
export function packStrips(
  { list }: Encoder,
  to: Place,
  source: Product['a'],
  unit: Numbers,
  rows: number,
  k: number,
): void {
  commands.packStrips(list, packing(to, source, rows, k, source.as === 'byColumns'), code(unit));
}

/** Tiles (cpp/kernels/amx/gemm.h) take their rows otherwise than in strips. */
export function takesTiles({ isa }: Encoder, unit: Numbers): boolean {
  return isa === 'amx' && unit === 'bf16';
}

export function pack(
  { list }: Encoder,
  to: Place,
  source: Source,
  unit: Numbers,
  columns: number,
  k: number,
): void {
  commands.packPanels(list, packing(to, source, columns, k, source.as === 'along'), code(unit));
}

/** The arguments of either packing. `along`: k is the slow axis of the source. */
function packing(packed: Place, source: Matrix, columns: number, k: number, along: boolean) {
  const { place, stride, dtype } = source;
  return { packed, source: place, columns, k, stride, along, type: code(dtype) };
}

/** Rows of a strip, at most. */
const MOST_STRIP_ROWS = 16;

/** Bytes of strips that hold `rows` rows of length k: floats, or pairs where the instruction set multiplies those. */
export function stripsBytes({ isa }: Encoder, unit: Numbers, rows: number, k: number): number {
  const pairs = unit === 'bf16' && multipliesHalves(isa);
  return (rows + MOST_STRIP_ROWS) * 4 * (pairs ? Math.ceil(k / 2) : k);
}

/** Name of the layout of `device.pack`: panels of so many columns, k slowest, in words of the instruction set. */
export function panelLayout({ panel, isa }: Encoder): string {
  return `${isa} panels of ${panel}`;
}

/** A weight that is plain, or packed by this device. */
/** Refuses a weight in panels of another device. */
export function ours(encoder: Encoder, w: Tensor): Tensor {
  if (w.layout !== 'plain' && w.layout !== panelLayout(encoder)) {
    fail('linear', `${describe(w)} was packed for another device.`, `this one has ${panelLayout(encoder)}`);
  }
  return w;
}

/**
 * What a product of rows with a weight multiplies in: the weight's type, but where a plain f32 one
 * meets bf16 it is rounded to that.
 */
export function arithmetic(rows: Tensor, w: Tensor): Numbers {
  return rows.dtype === 'bf16' && w.dtype === 'f32' && w.layout === 'plain' ? 'bf16' : numbers(w);
}

export function plain(w: Tensor): Place {
  if (w.dtype !== 'f32' || w.layout !== 'plain') refuseWeight('cpu', w);
  return w;
}
