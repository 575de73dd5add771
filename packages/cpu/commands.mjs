// Every command of the list, in the order of its code, and its arguments in the order in which they lie there: the one place that says so.
// scripts/generate-commands.mjs makes from it what writes them (src/generated/commands.ts), what reads them (cpp/generated/commands.h) and
// random calls (cpp/generated/fuzz.h). A new kernel is a row here, a struct in cpp/kernels and an entry of table.h.
//
// Tensors lie in the list as storage and byte offset. `T` is the dtype of the command; `raw` stands for bytes in a layout of their own, and
// the name of a field for elements of the dtype whose code it holds. Their sizes, in elements, are what a random call allocates.

/**
 * @typedef {object} Field
 * @property {'tensor' | 'integer' | 'flag' | 'scalar' | 'wide' | 'numbers'} kind scalar: float, wide: double, numbers:
 *   as many as there are, at the end
 * @property {boolean} [writes]
 * @property {boolean} [optional] a tensor that may be left out
 * @property {string} [type] of a tensor: T, f32, f64, i32, u8, i8, raw, or the field that holds the code of its dtype
 * @property {string} [size] elements, over the integers of the command
 * @property {string} [random] what a random call gives: an expression of cpp/driver.cc
 */

/** @param {string} type @param {string} [size] @param {string} [random] upper bound of indices @returns {Field} */
const reads = (type, size, random) => ({
  kind: 'tensor',
  type,
  ...(size && { size }),
  ...(random && { random }),
});
/** @param {string} type @param {string} [size] @returns {Field} */
const writes = (type, size) => ({ ...reads(type, size), writes: true });
/** @param {Field} field @returns {Field} */
const optional = (field) => ({ ...field, optional: true });
/** @param {string} [random] @returns {Field} */
const integer = (random = 'extent()') => ({ kind: 'integer', random });
/** Enough now and then for several chunks. */
const elements = () => integer('extent() * extent()');
/** One of so many codes. @param {number} count */
const code = (count) => integer(`below(${count})`);
/** @returns {Field} */
const flag = () => ({ kind: 'flag', random: 'below(2)' });
/** @param {number} example @returns {Field} */
const scalar = (example) => ({ kind: 'scalar', random: String(example) });
/** @param {number} example @returns {Field} */
const wide = (example) => ({ kind: 'wide', random: String(example) });

/** Codes of `Dtype`: f32, bf16, f16. */
const dtype = () => code(3);

/** T tokens in S segments or sequences, heads of queries, of keys, their width; a window of 0 is none. */
const attentionShape = {
  T: integer(),
  S: integer(),
  H: integer(),
  K: integer(),
  E: integer(),
  scale: scalar(0.3),
  window: integer(),
};

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

const packFactor = {
  packed: writes('T'),
  source: reads('raw'),
  columns: integer(),
  k: integer(),
  stride: integer(),
  along: flag(),
  type: dtype(),
};

/**
 * `dtypes`: in which the command comes as kernels of their own, where there is more than one. `random: false`: what is allowed depends on more than
 * sizes, and cpp/driver.cc makes its calls by hand.
 * @typedef {{ fields: Readonly<Record<string, Field>>, random?: false }} Command
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
    },
  },
  scatterAddRows: {
    fields: {
      y: writes('f32', '9 * columns'),
      x: reads('T', 'count * columns'),
      rows: reads('i32', 'count', '9'),
      count: integer(),
      columns: integer(),
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
  packPanels: { fields: packFactor, random: false },
  packStrips: { fields: packFactor, random: false },
  gemm: {
    fields: {
      c: writes('raw'),
      a: reads('raw'),
      b: reads('raw'),
      residual: optional(reads('raw')),
      rows: integer(),
      columns: integer(),
      k: integer(),
      strideC: integer(),
      strideA: integer(),
      strideB: integer(),
      strideResidual: integer(),
      left: code(3),
      right: code(3),
      accumulate: flag(),
      typeC: dtype(),
      typeA: dtype(),
      typeB: dtype(),
    },
    random: false,
  },
  crossEntropy: {
    fields: {
      losses: writes('f32'),
      x: writes('f32'),
      targets: reads('i32'),
      weights: optional(reads('f32')),
      rows: integer(),
      columns: integer(),
      stride: integer(),
      gradient: code(3),
    },
    random: false,
  },
  cacheWrite: {
    fields: {
      keyCache: writes('raw'),
      valueCache: writes('raw'),
      k: reads('raw'),
      v: reads('raw'),
      slots: reads('i32'),
      count: integer(),
      columns: integer(),
      cacheType: code(4),
      type: dtype(),
    },
    random: false,
  },
  attention: {
    fields: {
      out: writes('raw'),
      lse: writes('f32'),
      q: reads('raw'),
      k: reads('raw'),
      v: reads('raw'),
      segments: reads('i32'),
      half: flag(),
      ...attentionShape,
    },
    random: false,
  },
  attentionGrad: {
    fields: {
      dq: writes('raw'),
      dk: writes('raw'),
      dv: writes('raw'),
      dout: reads('raw'),
      q: reads('raw'),
      k: reads('raw'),
      v: reads('raw'),
      out: reads('raw'),
      lse: reads('f32'),
      segments: reads('i32'),
      half: flag(),
      ...attentionShape,
    },
    random: false,
  },
  pagedAttention: { fields: pagedAttention, random: false },
  joinChunks: { fields: pagedAttention, random: false },
  packBlocks: {
    fields: { packed: writes('u8'), source: reads('u8'), columns: integer(), k: integer(), format: code(8) },
    random: false,
  },
  gatherBlocks: {
    fields: {
      y: writes('raw'),
      x: reads('u8'),
      rows: reads('i32'),
      count: integer(),
      columns: integer(),
      typeY: dtype(),
      format: code(8),
    },
    random: false,
  },
  roundRows: {
    fields: {
      q: writes('i8'),
      scales: writes('f32'),
      starts: writes('f32'),
      x: reads('raw'),
      rows: integer(),
      k: integer(),
      type: dtype(),
      format: code(8),
    },
    random: false,
  },
  blockProduct: {
    fields: {
      y: writes('raw'),
      q: reads('i8'),
      scales: reads('f32'),
      starts: reads('f32'),
      w: reads('u8'),
      residual: optional(reads('raw')),
      rows: integer(),
      columns: integer(),
      k: integer(),
      type: dtype(),
      format: code(8),
    },
    random: false,
  },
  measure: { fields: { pieces: integer('3'), repeat: integer('10') } },
  quantize: {
    fields: {
      out: writes('u8'),
      x: reads('f32'),
      importance: optional(reads('f32')),
      errors: writes('f64'),
      type: integer(),
      rows: integer(),
      columns: integer(),
    },
    random: false,
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
      y: writes('raw'),
      x: reads('raw'),
      w: reads('u8'),
      residual: optional(reads('raw')),
      rows: integer(),
      columns: integer(),
      k: integer(),
      typeY: dtype(),
      typeX: dtype(),
      format: code(8),
    },
    random: false,
  },
  unpackPanels: {
    fields: {
      y: writes('T'),
      packed: reads('T'),
      rows: integer(),
      k: integer(),
      first: integer(),
      columns: integer(),
    },
    random: false,
  },
  unpackBlocks: {
    fields: {
      y: writes('raw'),
      x: reads('u8'),
      rows: integer(),
      k: integer(),
      first: integer(),
      columns: integer(),
      typeY: dtype(),
      format: code(8),
      panels: flag(),
    },
    random: false,
  },
  together: { fields: { members: integer() }, random: false },
  call: { fields: { address: integer(), context: integer(), numbers: { kind: 'numbers' } }, random: false },
};
