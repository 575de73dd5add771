// Every command of the list, in the order of its code, and its arguments in the order in which they
// lie there: the one place that says so. scripts/generate-commands.mjs makes from it what writes
// them (src/generated/commands.ts), what reads them (cpp/generated/commands.h) and random calls
// (cpp/generated/fuzz.h). A new kernel is a row here, a struct in cpp/kernels and an entry of
// table.h.
//
// Tensors lie in the list as storage and byte offset. `T` is the dtype of the command; `raw` stands
// for bytes in a layout of their own, and the name of a field for elements of the dtype whose code
// it holds. Their sizes, in elements, are what a random call allocates.

import {
  activation,
  attentionShape,
  blockWidth,
  code,
  dtype,
  elements,
  flag,
  integer,
  made,
  optional,
  reads,
  scalar,
  wide,
  writes,
} from './command-fields.mjs';

/** @typedef {import('./command-fields.mjs').Field} Field */

/**
 * The rows that a table has of a larger one: from row `first` of that on, so many. Random ones
 * begin before and behind the ids drawn and are fewer than the nine rows of a random table.
 */
const partOfRows = { first: integer('below(12) - 2'), held: integer('below(10)') };

/** Rows of queries and of keys: `half` says whether they are bf16. */
const queries = 'T * H * E * bytesOf(half)';
const keys = 'T * K * E * bytesOf(half)';
const segments = made(reads('i32'), 'list.starts(S, T)');

const pagedAttention = {
  out: writes('raw'),
  partials: optional(writes('f32')),
  q: reads('raw'),
  keys: reads('raw'),
  values: reads('raw'),
  blockTable: reads('i32'),
  queryStarts: reads('i32'),
  lengths: reads('i32'),
  blockSize: integer(),
  maxBlocks: integer(),
  stored: code(4),
  half: flag(),
  ...attentionShape,
};

/** @param {string} bytes of the packed factor */
const packFactor = (bytes) => ({
  packed: made(writes('T'), `list.own(${bytes})`),
  source: reads('raw', 'columns * k * bytesOf(type)'),
  columns: integer(),
  k: integer(),
  stride: integer('along ? columns : k'),
  along: flag(),
  type: activation(),
});

/**
 * `dtype`: what a random call draws the dtype of the command from, f32 or bf16 where not said.
 * `random: false`: what is allowed depends on more than the command's own numbers, and
 * cpp/driver/by-hand.h makes its calls.
 * @typedef {{ fields: Readonly<Record<string, Field>>, dtype?: string, random?: false }} Command
 * @type {Readonly<Record<string, Command>>}
 */
export const commands = {
  free: { fields: { storage: integer() }, random: false },
  copy: { fields: { to: writes('u8', 'bytes'), from: reads('u8', 'bytes'), bytes: integer() } },
  fill: {
    fields: {
      y: writes('u8', 'elements * bytes'),
      elements: elements(),
      bytes: integer('1 << below(3)'),
      pattern: integer('random32()'),
    },
  },
  add: {
    fields: {
      y: writes('T', 'elements'),
      a: reads('T', 'elements'),
      b: reads('T', 'elements'),
      elements: elements(),
    },
  },
  addBias: {
    fields: {
      y: writes('T', 'rows * columns'),
      bias: reads('type', 'columns'),
      rows: integer(),
      columns: integer(),
      type: dtype(),
    },
  },
  cast: {
    fields: {
      y: writes('to', 'elements'),
      x: reads('from', 'elements'),
      elements: elements(),
      to: dtype(),
      from: dtype(),
    },
  },
  gatherRows: {
    fields: {
      y: writes('typeY', 'count * columns'),
      x: reads('typeX', '9 * columns'),
      rows: reads('i32', 'count', '9'),
      count: integer(),
      columns: integer(),
      typeY: dtype(),
      typeX: dtype(),
      ...partOfRows,
    },
  },
  scatterAddRows: {
    fields: {
      y: writes('f32', '9 * columns'),
      x: reads('T', 'count * columns'),
      rows: reads('i32', 'count', '9'),
      count: integer(),
      columns: integer(),
      ...partOfRows,
    },
  },
  sumSquares: {
    fields: {
      partials: writes('f64', '(elements + 65535) / 65536'),
      x: reads('T', 'elements'),
      elements: elements(),
    },
  },
  sumPartials: { fields: { y: writes('f32', '1'), partials: reads('f64', 'count'), count: integer() } },
  sumRows: {
    fields: {
      y: writes('f32', 'columns'),
      x: reads('T', 'rows * columns'),
      rows: integer(),
      columns: integer(),
    },
  },
  adamw: {
    fields: {
      value: writes('f32', 'elements'),
      gradient: reads('f32', 'elements'),
      m: writes('f32', 'elements'),
      v: writes('f32', 'elements'),
      copy: optional(writes('copyType', 'elements')),
      elements: elements(),
      copyType: dtype(),
      scale: scalar(0.5),
      beta1: wide(0.9),
      beta2: wide(0.95),
      decay: scalar(0.99),
      rate: scalar(0.001),
      root: scalar(0.3),
      epsilon: scalar(1e-8),
    },
  },
  rmsNorm: {
    fields: {
      y: writes('T', 'rows * columns'),
      rstd: optional(writes('f32', 'rows')),
      x: reads('T', 'rows * columns'),
      gain: reads('type', 'columns'),
      rows: integer(),
      columns: integer(),
      eps: scalar(1e-5),
      type: dtype(),
    },
  },
  rmsNormGrad: {
    fields: {
      dx: writes('T', 'rows * columns'),
      partials: optional(writes('f32', '(rows + 63) / 64 * columns')),
      dy: reads('T', 'rows * columns'),
      x: reads('T', 'rows * columns'),
      gain: reads('type', 'columns'),
      rstd: reads('f32', 'rows'),
      rows: integer(),
      columns: integer(),
      chunkRows: integer('64'),
      accumulate: flag(),
      type: dtype(),
    },
  },
  rope: {
    fields: {
      y: writes('T', 'rows * heads * width'),
      x: reads('T', 'rows * heads * width'),
      positions: reads('i32', 'rows', '10'),
      table: reads('f32', '10 * width'),
      rows: integer(),
      heads: integer('1 + below(4)'),
      width: integer('2 * (1 + below(40))'),
      half: flag(),
      inverse: flag(),
    },
  },
  swiglu: {
    fields: {
      y: writes('T', 'elements'),
      gate: reads('T', 'elements'),
      up: reads('T', 'elements'),
      elements: elements(),
    },
  },
  swigluGrad: {
    fields: {
      dgate: writes('T', 'elements'),
      dup: writes('T', 'elements'),
      dy: reads('T', 'elements'),
      gate: reads('T', 'elements'),
      up: reads('T', 'elements'),
      elements: elements(),
    },
  },
  packPanels: { fields: packFactor('panelBytes(dtype, columns, k, panel)'), dtype: 'below(3)' },
  packStrips: { fields: packFactor('stripBytes(columns, k)'), dtype: 'below(3)' },
  gemm: {
    // By rows, by columns, in strips; bf16 never in strips, for tiles take their rows otherwise.
    dtype: 'below(3)',
    fields: {
      c: writes('raw', 'rows * columns * bytesOf(typeC)'),
      a: reads('raw', 'left == 2 ? stripBytes(rows, k) : rows * k * bytesOf(typeA)'),
      b: reads('raw', 'right == 0 ? panelBytes(dtype, columns, k, panel) : columns * k * bytesOf(typeB)'),
      residual: made(
        optional(reads('raw')),
        'accumulate || !below(3) ? 0 : below(2) ? c : list.bits(rows * columns * bytesOf(typeC))',
      ),
      rows: integer(),
      columns: integer(),
      k: integer(),
      strideC: integer('columns'),
      strideA: integer('left == 1 ? rows : k'),
      strideB: integer('right == 2 ? columns : k'),
      strideResidual: integer('columns'),
      left: integer('below(dtype == 1 ? 2 : 3)'),
      right: integer('dtype == 2 ? 0 : below(3)'),
      accumulate: flag(),
      typeC: integer('accumulate ? 0 : below(2)'),
      typeA: activation(),
      typeB: integer('right == 0 ? dtype : below(2)'),
    },
  },
  crossEntropy: {
    fields: {
      losses: writes('f32', 'rows'),
      x: writes('f32', 'rows * columns'),
      targets: made(
        reads('i32'),
        'below(3) ? list.integers(rows, 0, columns) : list.integers(rows, -100, -99)',
      ),
      weights: optional(reads('f32', 'rows')),
      rows: integer(),
      columns: integer('1 + extent()'),
      stride: integer('columns'),
      gradient: code(3),
    },
  },
  sample: {
    fields: {
      ids: writes('i32'),
      logits: reads('T'),
      seen: optional(reads('i32')),
      times: optional(reads('i32')),
      masks: optional(reads('i32')),
      rows: integer(),
      columns: integer(),
      vocabulary: integer(),
      settings: { kind: 'numbers' },
    },
    random: false,
  },
  logProbabilities: {
    fields: {
      chosen: writes('f32'),
      ranks: optional(writes('i32')),
      topIds: optional(writes('i32')),
      topValues: optional(writes('f32')),
      logits: reads('T'),
      ids: reads('i32'),
      rows: integer(),
      columns: integer(),
      vocabulary: integer(),
      most: integer(),
    },
    random: false,
  },
  softmaxShare: {
    fields: {
      share: writes('f32', '3 * rows'),
      x: reads('f32', 'rows * columns'),
      targets: reads('i32', 'rows', '90'),
      rows: integer(),
      columns: integer(),
      stride: integer('columns'),
      first: integer('below(60) - 20'),
    },
  },
  crossEntropyShare: {
    fields: {
      losses: writes('f32', 'rows'),
      x: optional(writes('f32', 'rows * columns')),
      shares: reads('f32', 'parts * apart'),
      targets: reads('i32', 'rows', '90'),
      weights: optional(reads('f32', 'rows')),
      rows: integer(),
      columns: integer(),
      stride: integer('columns'),
      parts: integer('below(5)'),
      apart: integer('3 * rows'),
      first: integer('below(60) - 20'),
      half: flag(),
    },
  },
  cacheWrite: {
    fields: {
      keyCache: writes('raw', '32 * cacheBytes(cacheType, columns)'),
      valueCache: writes('raw', '32 * cacheBytes(cacheType, columns)'),
      k: reads('raw', 'count * columns * bytesOf(type)'),
      v: reads('raw', 'count * columns * bytesOf(type)'),
      slots: made(reads('i32'), 'list.slots(count, 32)'),
      count: integer(),
      columns: integer('cacheType == 3 ? 32 * below(20) : extent()'),
      cacheType: code(4),
      type: activation(),
    },
  },
  attention: {
    fields: {
      out: writes('raw', queries),
      lse: writes('f32', 'T * H'),
      q: reads('raw', queries),
      k: reads('raw', keys),
      v: reads('raw', keys),
      segments,
      half: flag(),
      ...attentionShape,
    },
  },
  attentionGrad: {
    fields: {
      dq: writes('raw', queries),
      dk: writes('raw', keys),
      dv: writes('raw', keys),
      dout: reads('raw', queries),
      q: reads('raw', queries),
      k: reads('raw', keys),
      v: reads('raw', keys),
      out: reads('raw', queries),
      lse: reads('f32', 'T * H'),
      segments,
      half: flag(),
      ...attentionShape,
    },
  },
  pagedAttention: { fields: pagedAttention, random: false },
  joinChunks: { fields: pagedAttention, random: false },
  packBlocks: {
    fields: {
      packed: writes('u8', 'blockPanelBytes(format, columns, k)'),
      source: reads('u8', 'blockBytes(format, columns, k)'),
      columns: integer('1 + extent()'),
      k: blockWidth(),
      format: code(8),
    },
  },
  gatherBlocks: {
    fields: {
      y: writes('raw', 'count * columns * bytesOf(typeY)'),
      x: reads('u8', 'blockBytes(format, 9, columns)'),
      rows: reads('i32', 'count', '9'),
      count: integer(),
      columns: blockWidth(),
      typeY: activation(),
      format: code(8),
      ...partOfRows,
    },
  },
  roundRows: {
    fields: {
      q: writes('i8', 'rows * k'),
      scales: writes('f32', 'rows * k / 32'),
      starts: writes('f32', 'rows * startsOf(format, k)'),
      x: reads('raw', 'rows * k * bytesOf(type)'),
      rows: integer(),
      k: blockWidth(),
      type: activation(),
      format: code(8),
    },
  },
  blockProduct: {
    fields: {
      y: writes('raw', 'rows * columns * bytesOf(type)'),
      q: made(reads('i8'), 'list.rounded(rows * k)'),
      scales: made(reads('f32'), 'list.bits(rows * k / 8)'),
      starts: made(reads('f32'), 'list.integers(rows * startsOf(format, k), -99999, 99999)'),
      w: reads('u8', 'blockPanelBytes(format, columns, k)'),
      residual: optional(reads('raw', 'rows * columns * bytesOf(type)')),
      rows: integer(),
      columns: integer('1 + extent()'),
      k: blockWidth(),
      type: activation(),
      format: code(8),
    },
  },
  measure: { fields: { pieces: integer('3'), repeat: integer('10') } },
  quantize: {
    fields: {
      out: writes('u8', 'quantizedBytes(type, rows * columns)'),
      x: reads('f32', 'rows * columns'),
      importance: optional(reads('f32', 'columns')),
      errors: writes('f64', '2 * (rows + 1)'),
      type: integer('quantizedType()'),
      rows: integer('below(40)'),
      columns: integer('weightsOf(type) * (1 + below(5))'),
    },
  },
  quantizeFile: {
    fields: {
      out: writes('u8'),
      importance: optional(reads('f32')),
      errors: writes('f64'),
      file: integer(),
      from: integer(),
      source: dtype(),
      head: integer(),
      type: integer(),
      rows: integer(),
      columns: integer(),
    },
    random: false,
  },
  widenedProduct: {
    fields: {
      y: writes('raw', 'rows * columns * bytesOf(typeY)'),
      x: reads('raw', 'rows * k * bytesOf(typeX)'),
      w: reads('u8', 'blockPanelBytes(format, columns, k)'),
      residual: optional(reads('raw', 'rows * columns * bytesOf(typeY)')),
      rows: integer(),
      columns: integer('1 + extent()'),
      k: blockWidth(),
      typeY: activation(),
      typeX: activation(),
      format: code(8),
    },
  },
  unpackPanels: {
    dtype: 'below(3)',
    fields: {
      y: writes('T', 'rows * columns'),
      packed: made(reads('T'), 'list.bits(panelBytes(dtype, rows, k, panel))'),
      rows: integer(),
      k: integer(),
      first: integer('below(k + 1)'),
      columns: integer('k - first'),
    },
  },
  unpackBlocks: {
    fields: {
      y: writes('raw', 'rows * columns * bytesOf(typeY)'),
      x: reads('u8', 'panels ? blockPanelBytes(format, rows, k) : blockBytes(format, rows, k)'),
      rows: integer('1 + extent()'),
      k: blockWidth(),
      first: integer('256 * below(k / 256)'),
      columns: integer('k - first'),
      typeY: activation(),
      format: code(8),
      panels: flag(),
    },
  },
  together: { fields: { members: integer() }, random: false },
  call: { fields: { address: integer(), context: integer(), numbers: { kind: 'numbers' } }, random: false },
};
