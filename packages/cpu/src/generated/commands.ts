// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.

/** A place in memory: a tensor's, or one of the device's own. */
export interface Place {
  readonly storage: number;
  readonly offset: number;
}

/** What takes commands: `open` makes room for one, with its code and length, and says where its arguments begin. */
export interface CommandSink {
  readonly numbers: Float64Array;
  open(code: number, length: number): number;
}

/** Fingerprint of codes and arguments; kernels that read another layout carry another one. */
export const LAYOUT = 'db8f410fc8518d3a';

/** Operations, in the order of their codes. */
export const operations = ['free', 'copy', 'fill', 'add', 'addBias', 'cast', 'gatherRows', 'scatterAddRows', 'sumSquares', 'sumPartials', 'sumRows', 'adamw', 'rmsNorm', 'rmsNormGrad', 'rope', 'swiglu', 'swigluGrad', 'packPanels', 'packStrips', 'gemm', 'crossEntropy', 'sample', 'logProbabilities', 'softmaxShare', 'crossEntropyShare', 'cacheWrite', 'attention', 'attentionGrad', 'pagedAttention', 'joinChunks', 'packBlocks', 'gatherBlocks', 'roundRows', 'blockProduct', 'measure', 'quantize', 'quantizeFile', 'widenedProduct', 'unpackPanels', 'unpackBlocks', 'together', 'call'] as const;
export type Operation = (typeof operations)[number];
export const OPERATIONS = 42;
/** Codes of operations in f32; those of other dtypes are OPERATIONS apart. */
export const codes = { free: 0, copy: 1, fill: 2, add: 3, addBias: 4, cast: 5, gatherRows: 6, scatterAddRows: 7, sumSquares: 8, sumPartials: 9, sumRows: 10, adamw: 11, rmsNorm: 12, rmsNormGrad: 13, rope: 14, swiglu: 15, swigluGrad: 16, packPanels: 17, packStrips: 18, gemm: 19, crossEntropy: 20, sample: 21, logProbabilities: 22, softmaxShare: 23, crossEntropyShare: 24, cacheWrite: 25, attention: 26, attentionGrad: 27, pagedAttention: 28, joinChunks: 29, packBlocks: 30, gatherBlocks: 31, roundRows: 32, blockProduct: 33, measure: 34, quantize: 35, quantizeFile: 36, widenedProduct: 37, unpackPanels: 38, unpackBlocks: 39, together: 40, call: 41 } as const;

/** Where an argument lies in its command, counted from the command's first number. */
export const positionOf = {
  free: { storage: 2 },
  copy: { to: 2, from: 4, bytes: 6 },
  fill: { y: 2, elements: 4, bytes: 5, pattern: 6 },
  add: { y: 2, a: 4, b: 6, elements: 8 },
  addBias: { y: 2, bias: 4, rows: 6, columns: 7, type: 8 },
  cast: { y: 2, x: 4, elements: 6, to: 7, from: 8 },
  gatherRows: { y: 2, x: 4, rows: 6, count: 8, columns: 9, typeY: 10, typeX: 11, first: 12, held: 13 },
  scatterAddRows: { y: 2, x: 4, rows: 6, count: 8, columns: 9, first: 10, held: 11 },
  sumSquares: { partials: 2, x: 4, elements: 6 },
  sumPartials: { y: 2, partials: 4, count: 6 },
  sumRows: { y: 2, x: 4, rows: 6, columns: 7 },
  adamw: { value: 2, gradient: 4, m: 6, v: 8, copy: 10, elements: 12, copyType: 13, scale: 14, beta1: 15, beta2: 16, decay: 17, rate: 18, root: 19, epsilon: 20 },
  rmsNorm: { y: 2, rstd: 4, x: 6, gain: 8, rows: 10, columns: 11, eps: 12, type: 13 },
  rmsNormGrad: { dx: 2, partials: 4, dy: 6, x: 8, gain: 10, rstd: 12, rows: 14, columns: 15, chunkRows: 16, accumulate: 17, type: 18 },
  rope: { y: 2, x: 4, positions: 6, table: 8, rows: 10, heads: 11, width: 12, half: 13, inverse: 14 },
  swiglu: { y: 2, gate: 4, up: 6, elements: 8 },
  swigluGrad: { dgate: 2, dup: 4, dy: 6, gate: 8, up: 10, elements: 12 },
  packPanels: { packed: 2, source: 4, columns: 6, k: 7, stride: 8, along: 9, type: 10 },
  packStrips: { packed: 2, source: 4, columns: 6, k: 7, stride: 8, along: 9, type: 10 },
  gemm: { c: 2, a: 4, b: 6, residual: 8, rows: 10, columns: 11, k: 12, strideC: 13, strideA: 14, strideB: 15, strideResidual: 16, left: 17, right: 18, accumulate: 19, typeC: 20, typeA: 21, typeB: 22 },
  crossEntropy: { losses: 2, x: 4, targets: 6, weights: 8, rows: 10, columns: 11, stride: 12, gradient: 13 },
  sample: { ids: 2, logits: 4, seen: 6, times: 8, masks: 10, rows: 12, columns: 13, vocabulary: 14, settings: 15 },
  logProbabilities: { chosen: 2, ranks: 4, topIds: 6, topValues: 8, logits: 10, ids: 12, rows: 14, columns: 15, vocabulary: 16, most: 17 },
  softmaxShare: { share: 2, x: 4, targets: 6, rows: 8, columns: 9, stride: 10, first: 11 },
  crossEntropyShare: { losses: 2, x: 4, shares: 6, targets: 8, weights: 10, rows: 12, columns: 13, stride: 14, parts: 15, apart: 16, first: 17, half: 18 },
  cacheWrite: { keyCache: 2, valueCache: 4, k: 6, v: 8, slots: 10, count: 12, columns: 13, cacheType: 14, type: 15 },
  attention: { out: 2, lse: 4, q: 6, k: 8, v: 10, segments: 12, half: 14, T: 15, S: 16, H: 17, K: 18, E: 19, scale: 20, window: 21 },
  attentionGrad: { dq: 2, dk: 4, dv: 6, dout: 8, q: 10, k: 12, v: 14, out: 16, lse: 18, segments: 20, half: 22, T: 23, S: 24, H: 25, K: 26, E: 27, scale: 28, window: 29 },
  pagedAttention: { out: 2, partials: 4, q: 6, keys: 8, values: 10, blockTable: 12, queryStarts: 14, lengths: 16, blockSize: 18, maxBlocks: 19, stored: 20, half: 21, T: 22, S: 23, H: 24, K: 25, E: 26, scale: 27, window: 28 },
  joinChunks: { out: 2, partials: 4, q: 6, keys: 8, values: 10, blockTable: 12, queryStarts: 14, lengths: 16, blockSize: 18, maxBlocks: 19, stored: 20, half: 21, T: 22, S: 23, H: 24, K: 25, E: 26, scale: 27, window: 28 },
  packBlocks: { packed: 2, source: 4, columns: 6, k: 7, format: 8 },
  gatherBlocks: { y: 2, x: 4, rows: 6, count: 8, columns: 9, typeY: 10, format: 11, first: 12, held: 13 },
  roundRows: { q: 2, scales: 4, starts: 6, x: 8, rows: 10, k: 11, type: 12, format: 13 },
  blockProduct: { y: 2, q: 4, scales: 6, starts: 8, w: 10, residual: 12, rows: 14, columns: 15, k: 16, type: 17, format: 18 },
  measure: { pieces: 2, repeat: 3 },
  quantize: { out: 2, x: 4, importance: 6, errors: 8, type: 10, rows: 11, columns: 12 },
  quantizeFile: { out: 2, importance: 4, errors: 6, file: 8, from: 9, source: 10, head: 11, type: 12, rows: 13, columns: 14 },
  widenedProduct: { y: 2, x: 4, w: 6, residual: 8, rows: 10, columns: 11, k: 12, typeY: 13, typeX: 14, format: 15 },
  unpackPanels: { y: 2, packed: 4, rows: 6, k: 7, first: 8, columns: 9 },
  unpackBlocks: { y: 2, x: 4, rows: 6, k: 7, first: 8, columns: 9, typeY: 10, format: 11, panels: 12 },
  together: { members: 2 },
  call: { address: 2, context: 3, numbers: 4 },
} as const;

export interface FreeArguments {
  readonly storage: number;
}

export function free(list: CommandSink, given: FreeArguments, dtype = 0): void {
  const at = list.open(OPERATIONS * dtype, 3);
  const { numbers } = list;
  numbers[at] = given.storage;
}

export interface CopyArguments {
  readonly to: Place;
  readonly from: Place;
  readonly bytes: number;
}

export function copy(list: CommandSink, given: CopyArguments, dtype = 0): void {
  const at = list.open(1 + OPERATIONS * dtype, 7);
  const { numbers } = list;
  numbers[at] = given.to.storage;
  numbers[at + 1] = given.to.offset;
  numbers[at + 2] = given.from.storage;
  numbers[at + 3] = given.from.offset;
  numbers[at + 4] = given.bytes;
}

export interface FillArguments {
  readonly y: Place;
  readonly elements: number;
  readonly bytes: number;
  readonly pattern: number;
}

export function fill(list: CommandSink, given: FillArguments, dtype = 0): void {
  const at = list.open(2 + OPERATIONS * dtype, 7);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.elements;
  numbers[at + 3] = given.bytes;
  numbers[at + 4] = given.pattern;
}

export interface AddArguments {
  readonly y: Place;
  readonly a: Place;
  readonly b: Place;
  readonly elements: number;
}

export function add(list: CommandSink, given: AddArguments, dtype = 0): void {
  const at = list.open(3 + OPERATIONS * dtype, 9);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.a.storage;
  numbers[at + 3] = given.a.offset;
  numbers[at + 4] = given.b.storage;
  numbers[at + 5] = given.b.offset;
  numbers[at + 6] = given.elements;
}

export interface AddBiasArguments {
  readonly y: Place;
  readonly bias: Place;
  readonly rows: number;
  readonly columns: number;
  readonly type: number;
}

export function addBias(list: CommandSink, given: AddBiasArguments, dtype = 0): void {
  const at = list.open(4 + OPERATIONS * dtype, 9);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.bias.storage;
  numbers[at + 3] = given.bias.offset;
  numbers[at + 4] = given.rows;
  numbers[at + 5] = given.columns;
  numbers[at + 6] = given.type;
}

export interface CastArguments {
  readonly y: Place;
  readonly x: Place;
  readonly elements: number;
  readonly to: number;
  readonly from: number;
}

export function cast(list: CommandSink, given: CastArguments, dtype = 0): void {
  const at = list.open(5 + OPERATIONS * dtype, 9);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.elements;
  numbers[at + 5] = given.to;
  numbers[at + 6] = given.from;
}

export interface GatherRowsArguments {
  readonly y: Place;
  readonly x: Place;
  readonly rows: Place;
  readonly count: number;
  readonly columns: number;
  readonly typeY: number;
  readonly typeX: number;
  readonly first: number;
  readonly held: number;
}

export function gatherRows(list: CommandSink, given: GatherRowsArguments, dtype = 0): void {
  const at = list.open(6 + OPERATIONS * dtype, 14);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.rows.storage;
  numbers[at + 5] = given.rows.offset;
  numbers[at + 6] = given.count;
  numbers[at + 7] = given.columns;
  numbers[at + 8] = given.typeY;
  numbers[at + 9] = given.typeX;
  numbers[at + 10] = given.first;
  numbers[at + 11] = given.held;
}

export interface ScatterAddRowsArguments {
  readonly y: Place;
  readonly x: Place;
  readonly rows: Place;
  readonly count: number;
  readonly columns: number;
  readonly first: number;
  readonly held: number;
}

export function scatterAddRows(list: CommandSink, given: ScatterAddRowsArguments, dtype = 0): void {
  const at = list.open(7 + OPERATIONS * dtype, 12);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.rows.storage;
  numbers[at + 5] = given.rows.offset;
  numbers[at + 6] = given.count;
  numbers[at + 7] = given.columns;
  numbers[at + 8] = given.first;
  numbers[at + 9] = given.held;
}

export interface SumSquaresArguments {
  readonly partials: Place;
  readonly x: Place;
  readonly elements: number;
}

export function sumSquares(list: CommandSink, given: SumSquaresArguments, dtype = 0): void {
  const at = list.open(8 + OPERATIONS * dtype, 7);
  const { numbers } = list;
  numbers[at] = given.partials.storage;
  numbers[at + 1] = given.partials.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.elements;
}

export interface SumPartialsArguments {
  readonly y: Place;
  readonly partials: Place;
  readonly count: number;
}

export function sumPartials(list: CommandSink, given: SumPartialsArguments, dtype = 0): void {
  const at = list.open(9 + OPERATIONS * dtype, 7);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.partials.storage;
  numbers[at + 3] = given.partials.offset;
  numbers[at + 4] = given.count;
}

export interface SumRowsArguments {
  readonly y: Place;
  readonly x: Place;
  readonly rows: number;
  readonly columns: number;
}

export function sumRows(list: CommandSink, given: SumRowsArguments, dtype = 0): void {
  const at = list.open(10 + OPERATIONS * dtype, 8);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.rows;
  numbers[at + 5] = given.columns;
}

export interface AdamwArguments {
  readonly value: Place;
  readonly gradient: Place;
  readonly m: Place;
  readonly v: Place;
  readonly copy: Place | undefined;
  readonly elements: number;
  readonly copyType: number;
  readonly scale: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly decay: number;
  readonly rate: number;
  readonly root: number;
  readonly epsilon: number;
}

export function adamw(list: CommandSink, given: AdamwArguments, dtype = 0): void {
  const at = list.open(11 + OPERATIONS * dtype, 21);
  const { numbers } = list;
  numbers[at] = given.value.storage;
  numbers[at + 1] = given.value.offset;
  numbers[at + 2] = given.gradient.storage;
  numbers[at + 3] = given.gradient.offset;
  numbers[at + 4] = given.m.storage;
  numbers[at + 5] = given.m.offset;
  numbers[at + 6] = given.v.storage;
  numbers[at + 7] = given.v.offset;
  numbers[at + 8] = given.copy?.storage ?? 0;
  numbers[at + 9] = given.copy?.offset ?? 0;
  numbers[at + 10] = given.elements;
  numbers[at + 11] = given.copyType;
  numbers[at + 12] = given.scale;
  numbers[at + 13] = given.beta1;
  numbers[at + 14] = given.beta2;
  numbers[at + 15] = given.decay;
  numbers[at + 16] = given.rate;
  numbers[at + 17] = given.root;
  numbers[at + 18] = given.epsilon;
}

export interface RmsNormArguments {
  readonly y: Place;
  readonly rstd: Place | undefined;
  readonly x: Place;
  readonly gain: Place;
  readonly rows: number;
  readonly columns: number;
  readonly eps: number;
  readonly type: number;
}

export function rmsNorm(list: CommandSink, given: RmsNormArguments, dtype = 0): void {
  const at = list.open(12 + OPERATIONS * dtype, 14);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.rstd?.storage ?? 0;
  numbers[at + 3] = given.rstd?.offset ?? 0;
  numbers[at + 4] = given.x.storage;
  numbers[at + 5] = given.x.offset;
  numbers[at + 6] = given.gain.storage;
  numbers[at + 7] = given.gain.offset;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.columns;
  numbers[at + 10] = given.eps;
  numbers[at + 11] = given.type;
}

export interface RmsNormGradArguments {
  readonly dx: Place;
  readonly partials: Place | undefined;
  readonly dy: Place;
  readonly x: Place;
  readonly gain: Place;
  readonly rstd: Place;
  readonly rows: number;
  readonly columns: number;
  readonly chunkRows: number;
  readonly accumulate: boolean;
  readonly type: number;
}

export function rmsNormGrad(list: CommandSink, given: RmsNormGradArguments, dtype = 0): void {
  const at = list.open(13 + OPERATIONS * dtype, 19);
  const { numbers } = list;
  numbers[at] = given.dx.storage;
  numbers[at + 1] = given.dx.offset;
  numbers[at + 2] = given.partials?.storage ?? 0;
  numbers[at + 3] = given.partials?.offset ?? 0;
  numbers[at + 4] = given.dy.storage;
  numbers[at + 5] = given.dy.offset;
  numbers[at + 6] = given.x.storage;
  numbers[at + 7] = given.x.offset;
  numbers[at + 8] = given.gain.storage;
  numbers[at + 9] = given.gain.offset;
  numbers[at + 10] = given.rstd.storage;
  numbers[at + 11] = given.rstd.offset;
  numbers[at + 12] = given.rows;
  numbers[at + 13] = given.columns;
  numbers[at + 14] = given.chunkRows;
  numbers[at + 15] = given.accumulate ? 1 : 0;
  numbers[at + 16] = given.type;
}

export interface RopeArguments {
  readonly y: Place;
  readonly x: Place;
  readonly positions: Place;
  readonly table: Place;
  readonly rows: number;
  readonly heads: number;
  readonly width: number;
  readonly half: boolean;
  readonly inverse: boolean;
}

export function rope(list: CommandSink, given: RopeArguments, dtype = 0): void {
  const at = list.open(14 + OPERATIONS * dtype, 15);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.positions.storage;
  numbers[at + 5] = given.positions.offset;
  numbers[at + 6] = given.table.storage;
  numbers[at + 7] = given.table.offset;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.heads;
  numbers[at + 10] = given.width;
  numbers[at + 11] = given.half ? 1 : 0;
  numbers[at + 12] = given.inverse ? 1 : 0;
}

export interface SwigluArguments {
  readonly y: Place;
  readonly gate: Place;
  readonly up: Place;
  readonly elements: number;
}

export function swiglu(list: CommandSink, given: SwigluArguments, dtype = 0): void {
  const at = list.open(15 + OPERATIONS * dtype, 9);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.gate.storage;
  numbers[at + 3] = given.gate.offset;
  numbers[at + 4] = given.up.storage;
  numbers[at + 5] = given.up.offset;
  numbers[at + 6] = given.elements;
}

export interface SwigluGradArguments {
  readonly dgate: Place;
  readonly dup: Place;
  readonly dy: Place;
  readonly gate: Place;
  readonly up: Place;
  readonly elements: number;
}

export function swigluGrad(list: CommandSink, given: SwigluGradArguments, dtype = 0): void {
  const at = list.open(16 + OPERATIONS * dtype, 13);
  const { numbers } = list;
  numbers[at] = given.dgate.storage;
  numbers[at + 1] = given.dgate.offset;
  numbers[at + 2] = given.dup.storage;
  numbers[at + 3] = given.dup.offset;
  numbers[at + 4] = given.dy.storage;
  numbers[at + 5] = given.dy.offset;
  numbers[at + 6] = given.gate.storage;
  numbers[at + 7] = given.gate.offset;
  numbers[at + 8] = given.up.storage;
  numbers[at + 9] = given.up.offset;
  numbers[at + 10] = given.elements;
}

export interface PackPanelsArguments {
  readonly packed: Place;
  readonly source: Place;
  readonly columns: number;
  readonly k: number;
  readonly stride: number;
  readonly along: boolean;
  readonly type: number;
}

export function packPanels(list: CommandSink, given: PackPanelsArguments, dtype = 0): void {
  const at = list.open(17 + OPERATIONS * dtype, 11);
  const { numbers } = list;
  numbers[at] = given.packed.storage;
  numbers[at + 1] = given.packed.offset;
  numbers[at + 2] = given.source.storage;
  numbers[at + 3] = given.source.offset;
  numbers[at + 4] = given.columns;
  numbers[at + 5] = given.k;
  numbers[at + 6] = given.stride;
  numbers[at + 7] = given.along ? 1 : 0;
  numbers[at + 8] = given.type;
}

export interface PackStripsArguments {
  readonly packed: Place;
  readonly source: Place;
  readonly columns: number;
  readonly k: number;
  readonly stride: number;
  readonly along: boolean;
  readonly type: number;
}

export function packStrips(list: CommandSink, given: PackStripsArguments, dtype = 0): void {
  const at = list.open(18 + OPERATIONS * dtype, 11);
  const { numbers } = list;
  numbers[at] = given.packed.storage;
  numbers[at + 1] = given.packed.offset;
  numbers[at + 2] = given.source.storage;
  numbers[at + 3] = given.source.offset;
  numbers[at + 4] = given.columns;
  numbers[at + 5] = given.k;
  numbers[at + 6] = given.stride;
  numbers[at + 7] = given.along ? 1 : 0;
  numbers[at + 8] = given.type;
}

export interface GemmArguments {
  readonly c: Place;
  readonly a: Place;
  readonly b: Place;
  readonly residual: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly k: number;
  readonly strideC: number;
  readonly strideA: number;
  readonly strideB: number;
  readonly strideResidual: number;
  readonly left: number;
  readonly right: number;
  readonly accumulate: boolean;
  readonly typeC: number;
  readonly typeA: number;
  readonly typeB: number;
}

export function gemm(list: CommandSink, given: GemmArguments, dtype = 0): void {
  const at = list.open(19 + OPERATIONS * dtype, 23);
  const { numbers } = list;
  numbers[at] = given.c.storage;
  numbers[at + 1] = given.c.offset;
  numbers[at + 2] = given.a.storage;
  numbers[at + 3] = given.a.offset;
  numbers[at + 4] = given.b.storage;
  numbers[at + 5] = given.b.offset;
  numbers[at + 6] = given.residual?.storage ?? 0;
  numbers[at + 7] = given.residual?.offset ?? 0;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.columns;
  numbers[at + 10] = given.k;
  numbers[at + 11] = given.strideC;
  numbers[at + 12] = given.strideA;
  numbers[at + 13] = given.strideB;
  numbers[at + 14] = given.strideResidual;
  numbers[at + 15] = given.left;
  numbers[at + 16] = given.right;
  numbers[at + 17] = given.accumulate ? 1 : 0;
  numbers[at + 18] = given.typeC;
  numbers[at + 19] = given.typeA;
  numbers[at + 20] = given.typeB;
}

export interface CrossEntropyArguments {
  readonly losses: Place;
  readonly x: Place;
  readonly targets: Place;
  readonly weights: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly gradient: number;
}

export function crossEntropy(list: CommandSink, given: CrossEntropyArguments, dtype = 0): void {
  const at = list.open(20 + OPERATIONS * dtype, 14);
  const { numbers } = list;
  numbers[at] = given.losses.storage;
  numbers[at + 1] = given.losses.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.targets.storage;
  numbers[at + 5] = given.targets.offset;
  numbers[at + 6] = given.weights?.storage ?? 0;
  numbers[at + 7] = given.weights?.offset ?? 0;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.columns;
  numbers[at + 10] = given.stride;
  numbers[at + 11] = given.gradient;
}

export interface SampleArguments {
  readonly ids: Place;
  readonly logits: Place;
  readonly seen: Place | undefined;
  readonly times: Place | undefined;
  readonly masks: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly vocabulary: number;
  readonly settings: readonly number[];
}

export function sample(list: CommandSink, given: SampleArguments, dtype = 0): void {
  const at = list.open(21 + OPERATIONS * dtype, 15 + given.settings.length);
  const { numbers } = list;
  numbers[at] = given.ids.storage;
  numbers[at + 1] = given.ids.offset;
  numbers[at + 2] = given.logits.storage;
  numbers[at + 3] = given.logits.offset;
  numbers[at + 4] = given.seen?.storage ?? 0;
  numbers[at + 5] = given.seen?.offset ?? 0;
  numbers[at + 6] = given.times?.storage ?? 0;
  numbers[at + 7] = given.times?.offset ?? 0;
  numbers[at + 8] = given.masks?.storage ?? 0;
  numbers[at + 9] = given.masks?.offset ?? 0;
  numbers[at + 10] = given.rows;
  numbers[at + 11] = given.columns;
  numbers[at + 12] = given.vocabulary;
  numbers.set(given.settings, at + 13);
}

export interface LogProbabilitiesArguments {
  readonly chosen: Place;
  readonly ranks: Place | undefined;
  readonly topIds: Place | undefined;
  readonly topValues: Place | undefined;
  readonly logits: Place;
  readonly ids: Place;
  readonly rows: number;
  readonly columns: number;
  readonly vocabulary: number;
  readonly most: number;
}

export function logProbabilities(list: CommandSink, given: LogProbabilitiesArguments, dtype = 0): void {
  const at = list.open(22 + OPERATIONS * dtype, 18);
  const { numbers } = list;
  numbers[at] = given.chosen.storage;
  numbers[at + 1] = given.chosen.offset;
  numbers[at + 2] = given.ranks?.storage ?? 0;
  numbers[at + 3] = given.ranks?.offset ?? 0;
  numbers[at + 4] = given.topIds?.storage ?? 0;
  numbers[at + 5] = given.topIds?.offset ?? 0;
  numbers[at + 6] = given.topValues?.storage ?? 0;
  numbers[at + 7] = given.topValues?.offset ?? 0;
  numbers[at + 8] = given.logits.storage;
  numbers[at + 9] = given.logits.offset;
  numbers[at + 10] = given.ids.storage;
  numbers[at + 11] = given.ids.offset;
  numbers[at + 12] = given.rows;
  numbers[at + 13] = given.columns;
  numbers[at + 14] = given.vocabulary;
  numbers[at + 15] = given.most;
}

export interface SoftmaxShareArguments {
  readonly share: Place;
  readonly x: Place;
  readonly targets: Place;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly first: number;
}

export function softmaxShare(list: CommandSink, given: SoftmaxShareArguments, dtype = 0): void {
  const at = list.open(23 + OPERATIONS * dtype, 12);
  const { numbers } = list;
  numbers[at] = given.share.storage;
  numbers[at + 1] = given.share.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.targets.storage;
  numbers[at + 5] = given.targets.offset;
  numbers[at + 6] = given.rows;
  numbers[at + 7] = given.columns;
  numbers[at + 8] = given.stride;
  numbers[at + 9] = given.first;
}

export interface CrossEntropyShareArguments {
  readonly losses: Place;
  readonly x: Place | undefined;
  readonly shares: Place;
  readonly targets: Place;
  readonly weights: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly parts: number;
  readonly apart: number;
  readonly first: number;
  readonly half: boolean;
}

export function crossEntropyShare(list: CommandSink, given: CrossEntropyShareArguments, dtype = 0): void {
  const at = list.open(24 + OPERATIONS * dtype, 19);
  const { numbers } = list;
  numbers[at] = given.losses.storage;
  numbers[at + 1] = given.losses.offset;
  numbers[at + 2] = given.x?.storage ?? 0;
  numbers[at + 3] = given.x?.offset ?? 0;
  numbers[at + 4] = given.shares.storage;
  numbers[at + 5] = given.shares.offset;
  numbers[at + 6] = given.targets.storage;
  numbers[at + 7] = given.targets.offset;
  numbers[at + 8] = given.weights?.storage ?? 0;
  numbers[at + 9] = given.weights?.offset ?? 0;
  numbers[at + 10] = given.rows;
  numbers[at + 11] = given.columns;
  numbers[at + 12] = given.stride;
  numbers[at + 13] = given.parts;
  numbers[at + 14] = given.apart;
  numbers[at + 15] = given.first;
  numbers[at + 16] = given.half ? 1 : 0;
}

export interface CacheWriteArguments {
  readonly keyCache: Place;
  readonly valueCache: Place;
  readonly k: Place;
  readonly v: Place;
  readonly slots: Place;
  readonly count: number;
  readonly columns: number;
  readonly cacheType: number;
  readonly type: number;
}

export function cacheWrite(list: CommandSink, given: CacheWriteArguments, dtype = 0): void {
  const at = list.open(25 + OPERATIONS * dtype, 16);
  const { numbers } = list;
  numbers[at] = given.keyCache.storage;
  numbers[at + 1] = given.keyCache.offset;
  numbers[at + 2] = given.valueCache.storage;
  numbers[at + 3] = given.valueCache.offset;
  numbers[at + 4] = given.k.storage;
  numbers[at + 5] = given.k.offset;
  numbers[at + 6] = given.v.storage;
  numbers[at + 7] = given.v.offset;
  numbers[at + 8] = given.slots.storage;
  numbers[at + 9] = given.slots.offset;
  numbers[at + 10] = given.count;
  numbers[at + 11] = given.columns;
  numbers[at + 12] = given.cacheType;
  numbers[at + 13] = given.type;
}

export interface AttentionArguments {
  readonly out: Place;
  readonly lse: Place;
  readonly q: Place;
  readonly k: Place;
  readonly v: Place;
  readonly segments: Place;
  readonly half: boolean;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly scale: number;
  readonly window: number;
}

export function attention(list: CommandSink, given: AttentionArguments, dtype = 0): void {
  const at = list.open(26 + OPERATIONS * dtype, 22);
  const { numbers } = list;
  numbers[at] = given.out.storage;
  numbers[at + 1] = given.out.offset;
  numbers[at + 2] = given.lse.storage;
  numbers[at + 3] = given.lse.offset;
  numbers[at + 4] = given.q.storage;
  numbers[at + 5] = given.q.offset;
  numbers[at + 6] = given.k.storage;
  numbers[at + 7] = given.k.offset;
  numbers[at + 8] = given.v.storage;
  numbers[at + 9] = given.v.offset;
  numbers[at + 10] = given.segments.storage;
  numbers[at + 11] = given.segments.offset;
  numbers[at + 12] = given.half ? 1 : 0;
  numbers[at + 13] = given.T;
  numbers[at + 14] = given.S;
  numbers[at + 15] = given.H;
  numbers[at + 16] = given.K;
  numbers[at + 17] = given.E;
  numbers[at + 18] = given.scale;
  numbers[at + 19] = given.window;
}

export interface AttentionGradArguments {
  readonly dq: Place;
  readonly dk: Place;
  readonly dv: Place;
  readonly dout: Place;
  readonly q: Place;
  readonly k: Place;
  readonly v: Place;
  readonly out: Place;
  readonly lse: Place;
  readonly segments: Place;
  readonly half: boolean;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly scale: number;
  readonly window: number;
}

export function attentionGrad(list: CommandSink, given: AttentionGradArguments, dtype = 0): void {
  const at = list.open(27 + OPERATIONS * dtype, 30);
  const { numbers } = list;
  numbers[at] = given.dq.storage;
  numbers[at + 1] = given.dq.offset;
  numbers[at + 2] = given.dk.storage;
  numbers[at + 3] = given.dk.offset;
  numbers[at + 4] = given.dv.storage;
  numbers[at + 5] = given.dv.offset;
  numbers[at + 6] = given.dout.storage;
  numbers[at + 7] = given.dout.offset;
  numbers[at + 8] = given.q.storage;
  numbers[at + 9] = given.q.offset;
  numbers[at + 10] = given.k.storage;
  numbers[at + 11] = given.k.offset;
  numbers[at + 12] = given.v.storage;
  numbers[at + 13] = given.v.offset;
  numbers[at + 14] = given.out.storage;
  numbers[at + 15] = given.out.offset;
  numbers[at + 16] = given.lse.storage;
  numbers[at + 17] = given.lse.offset;
  numbers[at + 18] = given.segments.storage;
  numbers[at + 19] = given.segments.offset;
  numbers[at + 20] = given.half ? 1 : 0;
  numbers[at + 21] = given.T;
  numbers[at + 22] = given.S;
  numbers[at + 23] = given.H;
  numbers[at + 24] = given.K;
  numbers[at + 25] = given.E;
  numbers[at + 26] = given.scale;
  numbers[at + 27] = given.window;
}

export interface PagedAttentionArguments {
  readonly out: Place;
  readonly partials: Place | undefined;
  readonly q: Place;
  readonly keys: Place;
  readonly values: Place;
  readonly blockTable: Place;
  readonly queryStarts: Place;
  readonly lengths: Place;
  readonly blockSize: number;
  readonly maxBlocks: number;
  readonly stored: number;
  readonly half: boolean;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly scale: number;
  readonly window: number;
}

export function pagedAttention(list: CommandSink, given: PagedAttentionArguments, dtype = 0): void {
  const at = list.open(28 + OPERATIONS * dtype, 29);
  const { numbers } = list;
  numbers[at] = given.out.storage;
  numbers[at + 1] = given.out.offset;
  numbers[at + 2] = given.partials?.storage ?? 0;
  numbers[at + 3] = given.partials?.offset ?? 0;
  numbers[at + 4] = given.q.storage;
  numbers[at + 5] = given.q.offset;
  numbers[at + 6] = given.keys.storage;
  numbers[at + 7] = given.keys.offset;
  numbers[at + 8] = given.values.storage;
  numbers[at + 9] = given.values.offset;
  numbers[at + 10] = given.blockTable.storage;
  numbers[at + 11] = given.blockTable.offset;
  numbers[at + 12] = given.queryStarts.storage;
  numbers[at + 13] = given.queryStarts.offset;
  numbers[at + 14] = given.lengths.storage;
  numbers[at + 15] = given.lengths.offset;
  numbers[at + 16] = given.blockSize;
  numbers[at + 17] = given.maxBlocks;
  numbers[at + 18] = given.stored;
  numbers[at + 19] = given.half ? 1 : 0;
  numbers[at + 20] = given.T;
  numbers[at + 21] = given.S;
  numbers[at + 22] = given.H;
  numbers[at + 23] = given.K;
  numbers[at + 24] = given.E;
  numbers[at + 25] = given.scale;
  numbers[at + 26] = given.window;
}

export interface JoinChunksArguments {
  readonly out: Place;
  readonly partials: Place | undefined;
  readonly q: Place;
  readonly keys: Place;
  readonly values: Place;
  readonly blockTable: Place;
  readonly queryStarts: Place;
  readonly lengths: Place;
  readonly blockSize: number;
  readonly maxBlocks: number;
  readonly stored: number;
  readonly half: boolean;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly K: number;
  readonly E: number;
  readonly scale: number;
  readonly window: number;
}

export function joinChunks(list: CommandSink, given: JoinChunksArguments, dtype = 0): void {
  const at = list.open(29 + OPERATIONS * dtype, 29);
  const { numbers } = list;
  numbers[at] = given.out.storage;
  numbers[at + 1] = given.out.offset;
  numbers[at + 2] = given.partials?.storage ?? 0;
  numbers[at + 3] = given.partials?.offset ?? 0;
  numbers[at + 4] = given.q.storage;
  numbers[at + 5] = given.q.offset;
  numbers[at + 6] = given.keys.storage;
  numbers[at + 7] = given.keys.offset;
  numbers[at + 8] = given.values.storage;
  numbers[at + 9] = given.values.offset;
  numbers[at + 10] = given.blockTable.storage;
  numbers[at + 11] = given.blockTable.offset;
  numbers[at + 12] = given.queryStarts.storage;
  numbers[at + 13] = given.queryStarts.offset;
  numbers[at + 14] = given.lengths.storage;
  numbers[at + 15] = given.lengths.offset;
  numbers[at + 16] = given.blockSize;
  numbers[at + 17] = given.maxBlocks;
  numbers[at + 18] = given.stored;
  numbers[at + 19] = given.half ? 1 : 0;
  numbers[at + 20] = given.T;
  numbers[at + 21] = given.S;
  numbers[at + 22] = given.H;
  numbers[at + 23] = given.K;
  numbers[at + 24] = given.E;
  numbers[at + 25] = given.scale;
  numbers[at + 26] = given.window;
}

export interface PackBlocksArguments {
  readonly packed: Place;
  readonly source: Place;
  readonly columns: number;
  readonly k: number;
  readonly format: number;
}

export function packBlocks(list: CommandSink, given: PackBlocksArguments, dtype = 0): void {
  const at = list.open(30 + OPERATIONS * dtype, 9);
  const { numbers } = list;
  numbers[at] = given.packed.storage;
  numbers[at + 1] = given.packed.offset;
  numbers[at + 2] = given.source.storage;
  numbers[at + 3] = given.source.offset;
  numbers[at + 4] = given.columns;
  numbers[at + 5] = given.k;
  numbers[at + 6] = given.format;
}

export interface GatherBlocksArguments {
  readonly y: Place;
  readonly x: Place;
  readonly rows: Place;
  readonly count: number;
  readonly columns: number;
  readonly typeY: number;
  readonly format: number;
  readonly first: number;
  readonly held: number;
}

export function gatherBlocks(list: CommandSink, given: GatherBlocksArguments, dtype = 0): void {
  const at = list.open(31 + OPERATIONS * dtype, 14);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.rows.storage;
  numbers[at + 5] = given.rows.offset;
  numbers[at + 6] = given.count;
  numbers[at + 7] = given.columns;
  numbers[at + 8] = given.typeY;
  numbers[at + 9] = given.format;
  numbers[at + 10] = given.first;
  numbers[at + 11] = given.held;
}

export interface RoundRowsArguments {
  readonly q: Place;
  readonly scales: Place;
  readonly starts: Place;
  readonly x: Place;
  readonly rows: number;
  readonly k: number;
  readonly type: number;
  readonly format: number;
}

export function roundRows(list: CommandSink, given: RoundRowsArguments, dtype = 0): void {
  const at = list.open(32 + OPERATIONS * dtype, 14);
  const { numbers } = list;
  numbers[at] = given.q.storage;
  numbers[at + 1] = given.q.offset;
  numbers[at + 2] = given.scales.storage;
  numbers[at + 3] = given.scales.offset;
  numbers[at + 4] = given.starts.storage;
  numbers[at + 5] = given.starts.offset;
  numbers[at + 6] = given.x.storage;
  numbers[at + 7] = given.x.offset;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.k;
  numbers[at + 10] = given.type;
  numbers[at + 11] = given.format;
}

export interface BlockProductArguments {
  readonly y: Place;
  readonly q: Place;
  readonly scales: Place;
  readonly starts: Place;
  readonly w: Place;
  readonly residual: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly k: number;
  readonly type: number;
  readonly format: number;
}

export function blockProduct(list: CommandSink, given: BlockProductArguments, dtype = 0): void {
  const at = list.open(33 + OPERATIONS * dtype, 19);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.q.storage;
  numbers[at + 3] = given.q.offset;
  numbers[at + 4] = given.scales.storage;
  numbers[at + 5] = given.scales.offset;
  numbers[at + 6] = given.starts.storage;
  numbers[at + 7] = given.starts.offset;
  numbers[at + 8] = given.w.storage;
  numbers[at + 9] = given.w.offset;
  numbers[at + 10] = given.residual?.storage ?? 0;
  numbers[at + 11] = given.residual?.offset ?? 0;
  numbers[at + 12] = given.rows;
  numbers[at + 13] = given.columns;
  numbers[at + 14] = given.k;
  numbers[at + 15] = given.type;
  numbers[at + 16] = given.format;
}

export interface MeasureArguments {
  readonly pieces: number;
  readonly repeat: number;
}

export function measure(list: CommandSink, given: MeasureArguments, dtype = 0): void {
  const at = list.open(34 + OPERATIONS * dtype, 4);
  const { numbers } = list;
  numbers[at] = given.pieces;
  numbers[at + 1] = given.repeat;
}

export interface QuantizeArguments {
  readonly out: Place;
  readonly x: Place;
  readonly importance: Place | undefined;
  readonly errors: Place;
  readonly type: number;
  readonly rows: number;
  readonly columns: number;
}

export function quantize(list: CommandSink, given: QuantizeArguments, dtype = 0): void {
  const at = list.open(35 + OPERATIONS * dtype, 13);
  const { numbers } = list;
  numbers[at] = given.out.storage;
  numbers[at + 1] = given.out.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.importance?.storage ?? 0;
  numbers[at + 5] = given.importance?.offset ?? 0;
  numbers[at + 6] = given.errors.storage;
  numbers[at + 7] = given.errors.offset;
  numbers[at + 8] = given.type;
  numbers[at + 9] = given.rows;
  numbers[at + 10] = given.columns;
}

export interface QuantizeFileArguments {
  readonly out: Place;
  readonly importance: Place | undefined;
  readonly errors: Place;
  readonly file: number;
  readonly from: number;
  readonly source: number;
  readonly head: number;
  readonly type: number;
  readonly rows: number;
  readonly columns: number;
}

export function quantizeFile(list: CommandSink, given: QuantizeFileArguments, dtype = 0): void {
  const at = list.open(36 + OPERATIONS * dtype, 15);
  const { numbers } = list;
  numbers[at] = given.out.storage;
  numbers[at + 1] = given.out.offset;
  numbers[at + 2] = given.importance?.storage ?? 0;
  numbers[at + 3] = given.importance?.offset ?? 0;
  numbers[at + 4] = given.errors.storage;
  numbers[at + 5] = given.errors.offset;
  numbers[at + 6] = given.file;
  numbers[at + 7] = given.from;
  numbers[at + 8] = given.source;
  numbers[at + 9] = given.head;
  numbers[at + 10] = given.type;
  numbers[at + 11] = given.rows;
  numbers[at + 12] = given.columns;
}

export interface WidenedProductArguments {
  readonly y: Place;
  readonly x: Place;
  readonly w: Place;
  readonly residual: Place | undefined;
  readonly rows: number;
  readonly columns: number;
  readonly k: number;
  readonly typeY: number;
  readonly typeX: number;
  readonly format: number;
}

export function widenedProduct(list: CommandSink, given: WidenedProductArguments, dtype = 0): void {
  const at = list.open(37 + OPERATIONS * dtype, 16);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.w.storage;
  numbers[at + 5] = given.w.offset;
  numbers[at + 6] = given.residual?.storage ?? 0;
  numbers[at + 7] = given.residual?.offset ?? 0;
  numbers[at + 8] = given.rows;
  numbers[at + 9] = given.columns;
  numbers[at + 10] = given.k;
  numbers[at + 11] = given.typeY;
  numbers[at + 12] = given.typeX;
  numbers[at + 13] = given.format;
}

export interface UnpackPanelsArguments {
  readonly y: Place;
  readonly packed: Place;
  readonly rows: number;
  readonly k: number;
  readonly first: number;
  readonly columns: number;
}

export function unpackPanels(list: CommandSink, given: UnpackPanelsArguments, dtype = 0): void {
  const at = list.open(38 + OPERATIONS * dtype, 10);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.packed.storage;
  numbers[at + 3] = given.packed.offset;
  numbers[at + 4] = given.rows;
  numbers[at + 5] = given.k;
  numbers[at + 6] = given.first;
  numbers[at + 7] = given.columns;
}

export interface UnpackBlocksArguments {
  readonly y: Place;
  readonly x: Place;
  readonly rows: number;
  readonly k: number;
  readonly first: number;
  readonly columns: number;
  readonly typeY: number;
  readonly format: number;
  readonly panels: boolean;
}

export function unpackBlocks(list: CommandSink, given: UnpackBlocksArguments, dtype = 0): void {
  const at = list.open(39 + OPERATIONS * dtype, 13);
  const { numbers } = list;
  numbers[at] = given.y.storage;
  numbers[at + 1] = given.y.offset;
  numbers[at + 2] = given.x.storage;
  numbers[at + 3] = given.x.offset;
  numbers[at + 4] = given.rows;
  numbers[at + 5] = given.k;
  numbers[at + 6] = given.first;
  numbers[at + 7] = given.columns;
  numbers[at + 8] = given.typeY;
  numbers[at + 9] = given.format;
  numbers[at + 10] = given.panels ? 1 : 0;
}

export interface TogetherArguments {
  readonly members: number;
}

export function together(list: CommandSink, given: TogetherArguments, dtype = 0): void {
  const at = list.open(40 + OPERATIONS * dtype, 3);
  const { numbers } = list;
  numbers[at] = given.members;
}

export interface CallArguments {
  readonly address: number;
  readonly context: number;
  readonly numbers: readonly number[];
}

export function call(list: CommandSink, given: CallArguments, dtype = 0): void {
  const at = list.open(41 + OPERATIONS * dtype, 4 + given.numbers.length);
  const { numbers } = list;
  numbers[at] = given.address;
  numbers[at + 1] = given.context;
  numbers.set(given.numbers, at + 2);
}
