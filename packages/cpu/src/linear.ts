import { describe, fail, type Kernels, refuseWeight, type Tensor } from '@cria/tensor';
import type { Place } from './command-list.ts';
import type { Encoder } from './encoder.ts';

/** How a factor lies in memory: `Gemm::Factor` and `Gemm::Right` in cpp/kernels/gemm.h. */
const left = { byRows: 0, byColumns: 1 } as const;
const right = { packed: 0, across: 1, along: 2 } as const;

interface Matrix {
  readonly place: Place;
  /** Elements from row to row. */
  readonly stride: number;
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
}

/** From this many rows on, a weight is packed once for the whole product instead of once a block of rows. */
const PACK_FROM_ROWS = 64;

export function linearKernels(
  encoder: Encoder,
): Pick<Kernels, 'linear' | 'linearGradInput' | 'linearGradWeight'> {
  return {
    linear(y, x, w, { residual } = {}) {
      const rows = x.rows;
      const [n, c] = [w.rows, w.columns];
      let b: Product['b'];
      if (w.layout !== 'plain') b = { place: packedPlace(encoder, w), stride: 0, as: 'packed' };
      else if (rows < PACK_FROM_ROWS) b = { place: plain(w), stride: c, as: 'across' };
      else b = packed(encoder, plain(w), n, c, c, 'across');
      product(encoder, {
        c: matrix(y),
        a: { ...matrix(x), as: 'byRows' },
        b,
        residual: residual && matrix(residual),
        rows,
        columns: n,
        k: c,
      });
    },

    linearGradInput(dx, dy, w, { accumulate } = {}) {
      const rows = dy.rows;
      const [n, c] = [w.rows, w.columns];
      const b: Product['b'] =
        rows < PACK_FROM_ROWS
          ? { place: plain(w), stride: c, as: 'along' }
          : packed(encoder, plain(w), c, n, c, 'along');
      product(encoder, {
        c: matrix(dx),
        a: { ...matrix(dy), as: 'byRows' },
        b,
        residual: accumulate ? matrix(dx) : undefined,
        rows,
        columns: c,
        k: n,
      });
    },

    linearGradWeight(dw, dy, x) {
      product(encoder, {
        c: matrix(dw),
        a: { ...matrix(dy), as: 'byColumns' },
        b: { ...matrix(x), as: 'along' },
        rows: dy.columns,
        columns: x.columns,
        k: x.rows,
        accumulate: true,
      });
    },
  };
}

/** C = A·B (+ residual), or C += A·B as a chain that begins with C. */
export function product({ list }: Encoder, p: Product): void {
  list.begin('gemm').place(p.c.place).place(p.a.place).place(p.b.place);
  list.place(p.residual?.place ?? { storage: 0, offset: 0 });
  list.number(p.rows).number(p.columns).number(p.k);
  list
    .number(p.c.stride)
    .number(p.a.stride)
    .number(p.b.stride)
    .number(p.residual?.stride ?? 0);
  list.number(left[p.a.as]).number(right[p.b.as]).flag(p.accumulate).end();
}

/** Packs the right factor of the next product into scratch. */
function packed(
  encoder: Encoder,
  source: Place,
  columns: number,
  k: number,
  stride: number,
  as: 'across' | 'along',
): Product['b'] {
  const [place] = encoder.scratch.begin(encoder.list, packedBytes(encoder, columns, k));
  pack(encoder, place!, source, columns, k, stride, as);
  return { place: place!, stride: 0, as: 'packed' };
}

export function pack(
  { list }: Encoder,
  to: Place,
  source: Place,
  columns: number,
  k: number,
  stride: number,
  as: 'across' | 'along',
): void {
  list
    .begin('packPanels')
    .place(to)
    .place(source)
    .number(columns)
    .number(k)
    .number(stride)
    .flag(as === 'along')
    .end();
}

/** Bytes of panels that hold `columns` columns of length k. */
export function packedBytes({ panel }: Encoder, columns: number, k: number): number {
  return Math.ceil(columns / panel) * panel * k * 4;
}

/** Name of the layout of `device.pack`: panels of so many columns, k slowest. */
export function panelLayout({ panel }: Encoder): string {
  return `panels of ${panel}`;
}

function packedPlace(encoder: Encoder, w: Tensor): Place {
  if (w.layout !== panelLayout(encoder) || w.dtype !== 'f32') {
    fail('linear', `${describe(w)} was packed for another device.`, `this one has ${panelLayout(encoder)}`);
  }
  return w;
}

export function plain(w: Tensor): Place {
  if (w.dtype !== 'f32' || w.layout !== 'plain') refuseWeight('cpu', w);
  return w;
}

function matrix(tensor: Tensor): Matrix {
  return { place: plain(tensor), stride: tensor.columns };
}
