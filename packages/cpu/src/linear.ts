import { describe, fail, type Kernels, refuseWeight, type Tensor } from '@cria/tensor';
import { blockLinears, FEW_ROWS, isBlockFormat } from './block-linear.ts';
import type { Place } from './command-list.ts';
import { dtypeCodes, type Encoder } from './encoder.ts';

/** How a factor lies in memory: `Gemm::Factor` and `Gemm::Right` in cpp/kernels/gemm.h. */
const left = { byRows: 0, byColumns: 1 } as const;
const right = { packed: 0, across: 1, along: 2 } as const;

/** Float types that products read and write. */
export type Numbers = 'f32' | 'bf16' | 'f16';

export interface Matrix {
  readonly place: Place;
  /** Elements from row to row. */
  readonly stride: number;
  /** Default f32. */
  readonly dtype?: Numbers;
}

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

/** From this many rows on, a weight is packed once for the whole product instead of once a block of rows. */
const PACK_FROM_ROWS = 64;

export function linearKernels(
  encoder: Encoder,
): Pick<Kernels, 'linear' | 'linears' | 'linearGradInput' | 'linearGradWeight'> {
  const kernels: ReturnType<typeof linearKernels> = {
    linear(y, x, w, { residual } = {}) {
      if (isBlockFormat(w.dtype)) return blockLinears(encoder, x, [{ y, w: ours(encoder, w), residual }]);
      const rows = x.rows;
      const [n, c] = [w.rows, w.columns];
      const unit = arithmetic(x, w);
      let b: Product['b'];
      if (w.layout !== 'plain') b = { place: ours(encoder, w), stride: 0, as: 'packed' };
      else if (rows < PACK_FROM_ROWS && unit === 'f32') b = { ...matrix(w), as: 'across' };
      else b = packed(encoder, { ...matrix(w), as: 'across' }, unit, n, c);
      product(encoder, {
        c: matrix(y),
        a: { ...matrix(x), as: 'byRows' },
        b,
        residual: residual && matrix(residual),
        rows,
        columns: n,
        k: c,
        unit,
      });
    },

    linears(ys, x, ws) {
      const all = () => ws.forEach((w, i) => kernels.linear(ys[i]!, x, w));
      if (ws.every(({ dtype }) => isBlockFormat(dtype)))
        blockLinears(
          encoder,
          x,
          ws.map((w, i) => ({ y: ys[i]!, w: ours(encoder, w) })),
        );
      // Weights that are packed by the way share scratch, and cannot be packed for all products at one time.
      else if (x.rows <= FEW_ROWS && ws.every((w) => w.layout !== 'plain' && !isBlockFormat(w.dtype)))
        encoder.list.together(all);
      else all();
    },

    linearGradInput(dx, dy, w, { accumulate } = {}) {
      const rows = dy.rows;
      const [n, c] = [w.rows, w.columns];
      const unit = arithmetic(dy, w);
      const along = { ...matrix(w), as: 'along' } as const;
      product(encoder, {
        c: matrix(dx),
        a: { ...matrix(dy), as: 'byRows' },
        b: rows < PACK_FROM_ROWS ? along : packed(encoder, along, unit, c, n),
        residual: accumulate ? matrix(dx) : undefined,
        rows,
        columns: c,
        k: n,
        unit,
      });
    },

    linearGradWeight(dw, dy, x) {
      const [rows, unit] = [dy.columns, numbers(x)];
      const along = { ...matrix(x), as: 'along' } as const;
      product(encoder, {
        c: matrix(dw),
        a: { ...matrix(dy), as: 'byColumns' },
        b: rows < PACK_FROM_ROWS ? along : packed(encoder, along, unit, x.columns, x.rows),
        rows,
        columns: x.columns,
        k: x.rows,
        accumulate: true,
        unit,
      });
    },
  };
  return kernels;
}

/** C = A·B (+ residual), or C += A·B as a chain that begins with C. */
export function product({ list }: Encoder, p: Product): void {
  list.begin('gemm', code(p.unit)).place(p.c.place).place(p.a.place).place(p.b.place);
  list.place(p.residual?.place ?? { storage: 0, offset: 0 });
  list.number(p.rows).number(p.columns).number(p.k);
  list
    .number(p.c.stride)
    .number(p.a.stride)
    .number(p.b.stride)
    .number(p.residual?.stride ?? 0);
  list.number(left[p.a.as]).number(right[p.b.as]).flag(p.accumulate);
  list.number(code(p.c.dtype)).number(code(p.a.dtype)).number(code(p.b.dtype)).end();
}

const code = (dtype: Numbers = 'f32') => dtypeCodes[dtype]!;

/** A right factor as it lies in memory. */
type Source = Matrix & { readonly as: 'across' | 'along' };

/** Packs the right factor of the next product into scratch. */
function packed(encoder: Encoder, source: Source, unit: Numbers, columns: number, k: number): Product['b'] {
  const [place] = encoder.scratch.begin(encoder.list, packedBytes(encoder, unit, columns, k));
  pack(encoder, place!, source, unit, columns, k);
  return { place: place!, stride: 0, as: 'packed' };
}

export function pack(
  { list }: Encoder,
  to: Place,
  source: Source,
  unit: Numbers,
  columns: number,
  k: number,
): void {
  list.begin('packPanels', code(unit)).place(to).place(source.place).number(columns).number(k);
  list
    .number(source.stride)
    .flag(source.as === 'along')
    .number(code(source.dtype))
    .end();
}

/** Bytes of panels that hold `columns` columns of length k; halves may be stored in pairs along k. */
export function packedBytes({ panel }: Encoder, unit: Numbers, columns: number, k: number): number {
  return Math.ceil(columns / panel) * panel * (unit === 'f32' ? 4 * k : 4 * Math.ceil(k / 2));
}

/** Name of the layout of `device.pack`: panels of so many columns, k slowest, in words of the instruction set. */
export function panelLayout({ panel, isa }: Encoder): string {
  return `${isa} panels of ${panel}`;
}

/** A weight that is plain, or packed by this device. */
function ours(encoder: Encoder, w: Tensor): Tensor {
  if (w.layout !== 'plain' && w.layout !== panelLayout(encoder)) {
    fail('linear', `${describe(w)} was packed for another device.`, `this one has ${panelLayout(encoder)}`);
  }
  return w;
}

/** What a product of rows with a weight multiplies in: the weight's type, but where a plain f32 one meets bf16 it is rounded to that. */
export function arithmetic(rows: Tensor, w: Tensor): Numbers {
  return rows.dtype === 'bf16' && w.dtype === 'f32' && w.layout === 'plain' ? 'bf16' : numbers(w);
}

/** The float type of a tensor that products take. */
export function numbers(tensor: Tensor): Numbers {
  const { dtype } = tensor;
  if (dtype !== 'f32' && dtype !== 'bf16' && dtype !== 'f16') refuseWeight('cpu', tensor);
  return dtype;
}

export function plain(w: Tensor): Place {
  if (w.dtype !== 'f32' || w.layout !== 'plain') refuseWeight('cpu', w);
  return w;
}

export function matrix(tensor: Tensor): Matrix {
  if (tensor.layout !== 'plain') refuseWeight('cpu', tensor);
  return { place: tensor, stride: tensor.columns, dtype: numbers(tensor) };
}
