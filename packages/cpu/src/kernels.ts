import {
  dtypes,
  fail,
  type Kernels,
  numberToBf16,
  numberToF16,
  refuseWeight,
  type Tensor,
} from '@cria/tensor';
import { attentionKernels, cacheCode } from './attention.ts';
import { formatCode, isBlockFormat } from './block-linear.ts';
import { crossEntropyKernels } from './cross-entropy.ts';
import { computeCode, dtypeCodes, type Encoder, integers } from './encoder.ts';
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
      list.begin('rmsNorm', computeCode(x)).place(y).optional(rstd).place(x).place(gain);
      list.number(x.rows).number(x.columns).number(eps).number(computeCode(gain)).end();
    },
    rmsNormGrad(dx, dgain, dy, x, gain, rstd, { accumulate } = {}) {
      const { list, rowChunk } = encoder;
      const chunks = Math.ceil(x.rows / rowChunk);
      const [partials] = dgain ? encoder.scratch.begin(list, chunks * x.columns * 4) : [];
      list
        .begin('rmsNormGrad', computeCode(x))
        .place(same(dx, x))
        .place(partials ?? nothing);
      list.place(same(dy, x)).place(x).place(gain).f32(rstd);
      list.number(x.rows).number(x.columns).number(rowChunk).flag(accumulate);
      list.number(computeCode(gain)).end();
      if (dgain) list.begin('sumRows').f32(dgain).place(partials!).number(chunks).number(x.columns).end();
    },
  };
}

/** A tensor that a kernel reads with the dtype of another. */
function same(tensor: Tensor, other: Tensor): Tensor {
  if (tensor.dtype !== other.dtype) fail('cpu', `${tensor.dtype} beside ${other.dtype}.`, 'cast one of them');
  return tensor;
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
      const { list } = encoder;
      list.begin('scatterAddRows', computeCode(dy)).f32(dtable).place(dy).place(integers(tokens));
      list.number(tokens.size).number(dy.columns).end();
    },
    cacheWrite(keyCache, valueCache, k, v, slots) {
      const { list } = encoder;
      const cache = cacheCode('cacheWrite', keyCache, valueCache);
      list.begin('cacheWrite').place(keyCache).place(valueCache).place(k).place(same(v, k));
      list.place(integers(slots)).number(k.rows).number(k.columns);
      list.number(cache).number(computeCode(k)).end();
    },
  };
}

function elementwiseKernels(
  encoder: Encoder,
): Pick<Kernels, 'rope' | 'swiglu' | 'swigluGrad' | 'add' | 'addBias' | 'biasGrad' | 'cast' | 'fill'> {
  return {
    rope(y, x, positions, table, { heads, pairing, inverse }) {
      encoder.list.begin('rope', computeCode(x)).place(y).place(x).place(integers(positions)).f32(table);
      encoder.list
        .number(x.rows)
        .number(heads)
        .number(x.columns / heads)
        .flag(pairing === 'half')
        .flag(inverse)
        .end();
    },
    swiglu(y, gate, up) {
      encoder.list.begin('swiglu', computeCode(y)).place(y).place(gate).place(up).number(y.size).end();
    },
    swigluGrad(dgate, dup, dy, gate, up) {
      const { list } = encoder;
      list.begin('swigluGrad', computeCode(dy)).place(dgate).place(dup).place(dy).place(gate).place(up);
      list.number(dy.size).end();
    },
    add(y, a, b) {
      encoder.list.begin('add', computeCode(y)).place(y).place(a).place(b).number(y.size).end();
    },
    addBias(y, bias) {
      const { list } = encoder;
      list.begin('addBias', computeCode(y)).place(y).place(bias);
      list.number(y.rows).number(y.columns).number(biasCode(bias)).end();
    },
    biasGrad(dbias, dy) {
      encoder.list
        .begin('sumRows', computeCode(dy))
        .f32(dbias)
        .place(dy)
        .number(dy.rows)
        .number(dy.columns)
        .end();
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

/** A bias may have any float type, whatever the rows are. */
function biasCode(bias: Tensor): number {
  return dtypeCodes[bias.dtype] ?? refuseWeight('addBias', bias);
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
