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
import { computeCode, dtypeCodes, type Encoder, f32, integers } from './encoder.ts';
import * as commands from './generated/commands.ts';
import { linearKernels } from './linear.ts';
import { optimizerKernels } from './optimizer.ts';
import { sampleKernels } from './sample.ts';

/** Every kernel of the contract, as commands. Shapes and dtypes of different tensors were checked above. */
export function createKernels(encoder: Encoder): Kernels {
  return {
    ...linearKernels(encoder),
    ...attentionKernels(encoder),
    ...crossEntropyKernels(encoder),
    ...optimizerKernels(encoder),
    ...normKernels(encoder),
    ...rowKernels(encoder),
    ...sampleKernels(encoder),
    ...elementwiseKernels(encoder),
  };
}

function normKernels(encoder: Encoder): Pick<Kernels, 'rmsNorm' | 'rmsNormGrad'> {
  return {
    rmsNorm(y, rstd, x, gain, { eps }) {
      const { rows, columns } = x;
      const given = { y, rstd: rstd && f32(rstd), x, gain, rows, columns, eps, type: computeCode(gain) };
      commands.rmsNorm(encoder.list, given, computeCode(x));
    },
    rmsNormGrad(dx, dgain, dy, x, gain, rstd, { accumulate = false } = {}) {
      const { list, rowChunk } = encoder;
      const { rows, columns } = x;
      const chunks = Math.ceil(rows / rowChunk);
      const [partials] = dgain ? encoder.scratch.begin(list, chunks * columns * 4) : [];
      commands.rmsNormGrad(
        list,
        {
          dx: same(dx, x),
          partials,
          dy: same(dy, x),
          x,
          gain,
          rstd: f32(rstd),
          rows,
          columns,
          chunkRows: rowChunk,
          accumulate,
          type: computeCode(gain),
        },
        computeCode(x),
      );
      if (dgain) commands.sumRows(list, { y: f32(dgain), x: partials!, rows: chunks, columns });
    },
  };
}

/** A tensor that a kernel reads with the dtype of another. */
function same(tensor: Tensor, other: Tensor): Tensor {
  if (tensor.dtype !== other.dtype) fail('cpu', `${tensor.dtype} beside ${other.dtype}.`, 'cast one of them');
  return tensor;
}

function rowKernels(
  encoder: Encoder,
): Pick<Kernels, 'embedding' | 'embeddingGrad' | 'gatherRows' | 'cacheWrite'> {
  const gather = (y: Tensor, x: Tensor, rows: Tensor, first = 0) => {
    const { list } = encoder;
    const part = { first, held: x.rows };
    const [count, { columns }] = [rows.size, x];
    const typeY = dtypeCodes[y.dtype] ?? refuseWeight('embedding', y);
    if (isBlockFormat(x.dtype)) {
      const format = formatCode('embedding', x);
      commands.gatherBlocks(list, { y, x, rows: integers(rows), count, columns, typeY, format, ...part });
    } else {
      const typeX = dtypeCodes[x.dtype] ?? refuseWeight('embedding', x);
      commands.gatherRows(list, { y, x, rows: integers(rows), count, columns, typeY, typeX, ...part });
    }
  };
  return {
    embedding: (y, tokens, table, part) => gather(y, table, tokens, part?.first),
    gatherRows: (y, x, rows) => gather(y, x, rows),
    embeddingGrad(dtable, dy, tokens, part) {
      const [count, { columns }] = [tokens.size, dy];
      const held = { first: part?.first ?? 0, held: dtable.rows };
      const given = { y: f32(dtable), x: dy, rows: integers(tokens), count, columns, ...held };
      commands.scatterAddRows(encoder.list, given, computeCode(dy));
    },
    cacheWrite(keyCache, valueCache, k, v, slots) {
      const cacheType = cacheCode('cacheWrite', keyCache, valueCache);
      commands.cacheWrite(encoder.list, {
        keyCache,
        valueCache,
        k,
        v: same(v, k),
        slots: integers(slots),
        count: k.rows,
        columns: k.columns,
        cacheType,
        type: computeCode(k),
      });
    },
  };
}

function elementwiseKernels(
  encoder: Encoder,
): Pick<Kernels, 'rope' | 'swiglu' | 'swigluGrad' | 'add' | 'addBias' | 'biasGrad' | 'cast' | 'fill'> {
  return {
    rope(y, x, positions, table, { heads, pairing, inverse = false }) {
      commands.rope(
        encoder.list,
        {
          y,
          x,
          positions: integers(positions),
          table: f32(table),
          rows: x.rows,
          heads,
          width: x.columns / heads,
          half: pairing === 'half',
          inverse,
        },
        computeCode(x),
      );
    },
    swiglu(y, gate, up) {
      commands.swiglu(encoder.list, { y, gate, up, elements: y.size }, computeCode(y));
    },
    swigluGrad(dgate, dup, dy, gate, up) {
      const given = { dgate, dup, dy, gate, up, elements: dy.size };
      commands.swigluGrad(encoder.list, given, computeCode(dy));
    },
    add(y, a, b) {
      commands.add(encoder.list, { y, a, b, elements: y.size }, computeCode(y));
    },
    addBias(y, bias) {
      const given = { y, bias, rows: y.rows, columns: y.columns, type: biasCode(bias) };
      commands.addBias(encoder.list, given, computeCode(y));
    },
    biasGrad(dbias, dy) {
      const given = { y: f32(dbias), x: dy, rows: dy.rows, columns: dy.columns };
      commands.sumRows(encoder.list, given, computeCode(dy));
    },
    cast(y, x) {
      if (y.dtype === x.dtype) {
        if (y.storage !== x.storage || y.offset !== x.offset) encoder.list.copy(y, x, x.byteLength);
        return;
      }
      const [to, from] = [dtypeCodes[y.dtype], dtypeCodes[x.dtype]];
      if (to === undefined || from === undefined)
        fail('cast', `this device has no conversion from ${x.dtype} to ${y.dtype}.`);
      commands.cast(encoder.list, { y, x, elements: x.size, to, from });
    },
    fill(y, value) {
      const bytes = dtypes[y.dtype].blockBytes;
      commands.fill(encoder.list, { y, elements: y.size, bytes, pattern: bitPattern(y, value) });
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
