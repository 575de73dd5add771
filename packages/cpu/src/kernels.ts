import {
  dtypes,
  fail,
  type Kernels,
  numberToBf16,
  numberToF16,
  refuseWeight,
  type Tensor,
} from '@cria/tensor';
import { attentionKernels } from './attention.ts';
import { formatCode, isBlockFormat } from './block-linear.ts';
import { crossEntropyKernels } from './cross-entropy.ts';
import { dtypeCodes, type Encoder, integers } from './encoder.ts';
import { linearKernels } from './linear.ts';
import { optimizerKernels } from './optimizer.ts';

/** Every kernel of the contract, as commands. Shapes and dtypes of different tensors were checked above. */
export function createKernels(encoder: Encoder): Kernels {
  return {
    ...linearKernels(encoder),
    ...attentionKernels(encoder),
    ...crossEntropyKernels(encoder),
    ...optimizerKernels(encoder),
    ...normKernels(encoder),
    ...rowKernels(encoder),
    ...elementwiseKernels(encoder),
  };
}

function normKernels(encoder: Encoder): Pick<Kernels, 'rmsNorm' | 'rmsNormGrad'> {
  return {
    rmsNorm(y, rstd, x, gain, { eps }) {
      const { list } = encoder;
      list
        .begin('rmsNorm')
        .f32(y)
        .optional(rstd)
        .f32(x)
        .f32(gain)
        .number(x.rows)
        .number(x.columns)
        .number(eps)
        .end();
    },
    rmsNormGrad(dx, dgain, dy, x, gain, rstd, { accumulate } = {}) {
      const { list, rowChunk } = encoder;
      const chunks = Math.ceil(x.rows / rowChunk);
      const [partials] = dgain ? encoder.scratch.begin(list, chunks * x.columns * 4) : [];
      list
        .begin('rmsNormGrad')
        .f32(dx)
        .place(partials ?? nothing)
        .f32(dy)
        .f32(x)
        .f32(gain)
        .f32(rstd);
      list.number(x.rows).number(x.columns).number(rowChunk).flag(accumulate).end();
      if (dgain) list.begin('sumRows').f32(dgain).place(partials!).number(chunks).number(x.columns).end();
    },
  };
}

const nothing = { storage: 0, offset: 0 };

function rowKernels(
  encoder: Encoder,
): Pick<Kernels, 'embedding' | 'embeddingGrad' | 'gatherRows' | 'cacheWrite'> {
  const gather = (y: Tensor, x: Tensor, rows: Tensor) => {
    const typeY = dtypeCodes[y.dtype];
    const blocks = isBlockFormat(x.dtype);
    const typeX = blocks ? formatCode('embedding', x) : dtypeCodes[x.dtype];
    if (typeY === undefined || typeX === undefined) refuseWeight('embedding', x);
    encoder.list
      .begin(blocks ? 'gatherBlocks' : 'gatherRows')
      .place(y)
      .place(x)
      .place(integers(rows))
      .number(rows.size)
      .number(x.columns)
      .number(typeY)
      .number(typeX)
      .end();
  };
  return {
    embedding: (y, tokens, table) => gather(y, table, tokens),
    gatherRows: gather,
    embeddingGrad(dtable, dy, tokens) {
      encoder.list
        .begin('scatterAddRows')
        .f32(dtable)
        .f32(dy)
        .place(integers(tokens))
        .number(tokens.size)
        .number(dy.columns)
        .end();
    },
    cacheWrite(keyCache, valueCache, k, v, slots) {
      const { list } = encoder;
      list
        .begin('cacheWrite')
        .f32(keyCache)
        .f32(valueCache)
        .f32(k)
        .f32(v)
        .place(integers(slots))
        .number(k.rows)
        .number(k.columns)
        .end();
    },
  };
}

function elementwiseKernels(
  encoder: Encoder,
): Pick<Kernels, 'rope' | 'swiglu' | 'swigluGrad' | 'add' | 'cast' | 'fill'> {
  return {
    rope(y, x, positions, table, { heads, pairing, inverse }) {
      encoder.list.begin('rope').f32(y).f32(x).place(integers(positions)).f32(table);
      encoder.list
        .number(x.rows)
        .number(heads)
        .number(x.columns / heads)
        .flag(pairing === 'half')
        .flag(inverse)
        .end();
    },
    swiglu(y, gate, up) {
      encoder.list.begin('swiglu').f32(y).f32(gate).f32(up).number(y.size).end();
    },
    swigluGrad(dgate, dup, dy, gate, up) {
      encoder.list.begin('swigluGrad').f32(dgate).f32(dup).f32(dy).f32(gate).f32(up).number(dy.size).end();
    },
    add(y, a, b) {
      encoder.list.begin('add').f32(y).f32(a).f32(b).number(y.size).end();
    },
    cast(y, x) {
      if (y.dtype === x.dtype) {
        if (y.storage !== x.storage || y.offset !== x.offset) encoder.list.copy(y, x, x.byteLength);
        return;
      }
      const [to, from] = [dtypeCodes[y.dtype], dtypeCodes[x.dtype]];
      if (to === undefined || from === undefined)
        fail('cast', `this device has no conversion from ${x.dtype} to ${y.dtype}.`);
      encoder.list.begin('cast').place(y).place(x).number(x.size).number(to).number(from).end();
    },
    fill(y, value) {
      const bytes = dtypes[y.dtype].blockBytes;
      encoder.list.begin('fill').place(y).number(y.size).number(bytes).number(bitPattern(y, value)).end();
    },
  };
}

/** The element's bits as a whole number. */
function bitPattern(y: Tensor, value: number): number {
  switch (y.dtype) {
    case 'f32':
      return new Uint32Array(Float32Array.of(value).buffer)[0]!;
    case 'i32':
      return value >>> 0;
    case 'u8':
      return value & 255;
    case 'bf16':
      return numberToBf16(value);
    case 'f16':
      return numberToF16(value);
    default:
      return fail('fill', `this device cannot fill ${y.dtype}.`);
  }
}
