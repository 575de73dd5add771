import { checkNames, fail } from './errors.ts';
import { ForwardScratch, forwardTile } from './flash.ts';
import { HEAD_NAMES, checkPrecision, checkStarts, countRows, resolveHeads } from './options.ts';
import { KEY_CHUNK, ROW_TILE } from './tile.ts';
import type { FloatArray, PagedOptions } from './types.ts';

const PAGED_NAMES = [...HEAD_NAMES, 'blockSize', 'blockTable', 'queryStarts', 'lengths'] as const;

/**
 * Attention of new rows over a paged cache that holds their keys and values already: decode (one
 * row a sequence) and chunked prefill (many) alike, in any mixture. Equal to `flashAttention` of
 * the whole sequence bit for bit.
 *
 * out, q: [T, H, E]   keyCache, valueCache: [blocks, blockSize, K, E].
 * Throws `AttentionError` on shapes or tables that do not fit.
 */
export function pagedAttention<A extends FloatArray>(
  out: A,
  q: A,
  keyCache: A,
  valueCache: A,
  options: PagedOptions,
): void {
  checkPaged('pagedAttention', out, q, keyCache, valueCache, options);
  pagedForward(out, q, keyCache, valueCache, { ...options, ...resolveHeads('pagedAttention', options) });
}

/** `pagedAttention` with shapes unchecked: what a device calls. */
export function pagedForward(
  out: FloatArray,
  q: FloatArray,
  keyCache: FloatArray,
  valueCache: FloatArray,
  options: Required<PagedOptions>,
): void {
  const { heads, kvHeads, headDim: E, scale, window, blockSize, blockTable, queryStarts, lengths } = options;
  const scratch = new ForwardScratch(q, E);
  const blocks = blockTable.length / lengths.length;
  for (let s = 0; s < lengths.length; s++) {
    const [start, end] = [queryStarts[s], queryStarts[s + 1]];
    for (let row = start; row < end; row += ROW_TILE) {
      for (let h = 0; h < heads; h++) {
        const head = Math.floor(h / (heads / kvHeads));
        const position = lengths[s] - (end - row);
        const tile = {
          row,
          rows: Math.min(ROW_TILE, end - row),
          head: h,
          heads,
          position,
          length: lengths[s],
          window,
        };
        forwardTile(out, undefined, q, keyCache, valueCache, tile, scratch, scale, (at, first, count) => {
          for (let j = 0; j < count; j++) {
            const key = first + j;
            const slot = blockTable[s * blocks + Math.floor(key / blockSize)] * blockSize + (key % blockSize);
            at[j] = (slot * kvHeads + head) * E;
          }
        });
      }
    }
  }
}

/**
 * keyCache[slots[t]] = k[t], likewise v; a slot is block · blockSize + place, a negative one writes nothing.
 *
 * caches: [blocks, blockSize, K, E]   k, v: [T, K, E]   slots: [T].
 * Throws `AttentionError` where a slot lies outside the cache.
 */
export function writeCache<A extends FloatArray>(
  keyCache: A,
  valueCache: A,
  k: A,
  v: A,
  slots: Int32Array,
): void {
  const op = 'writeCache';
  checkPrecision(op, { keyCache, valueCache, k, v });
  if (slots.length === 0) return;
  const width = k.length / slots.length;
  if (!Number.isInteger(width)) fail(op, `k has ${k.length} elements for ${slots.length} slots.`);
  if (v.length !== k.length) fail(op, `v has ${v.length} elements, k has ${k.length}.`);
  const places = Math.floor(Math.min(keyCache.length, valueCache.length) / width);
  const wrong = slots.findIndex((slot) => slot >= places);
  if (wrong >= 0) fail(op, `slots[${wrong}] = ${slots[wrong]}, but the cache has ${places} places.`);
  for (let t = 0; t < slots.length; t++) {
    if (slots[t] < 0) continue;
    keyCache.set(k.subarray(t * width, (t + 1) * width), slots[t] * width);
    valueCache.set(v.subarray(t * width, (t + 1) * width), slots[t] * width);
  }
}

function checkPaged(
  op: string,
  out: FloatArray,
  q: FloatArray,
  keyCache: FloatArray,
  valueCache: FloatArray,
  options: PagedOptions,
): void {
  checkNames(op, options, PAGED_NAMES);
  checkPrecision(op, { q, out, keyCache, valueCache });
  const { heads, kvHeads, headDim } = resolveHeads(op, options);
  const { blockSize, blockTable, queryStarts, lengths } = options;
  if (!Number.isInteger(blockSize) || blockSize < 1 || KEY_CHUNK % blockSize !== 0) {
    fail(op, `blockSize is ${blockSize}.`, `give a divisor of ${KEY_CHUNK}, 16 for instance`);
  }
  const rows = countRows(op, 'q', q, heads * headDim);
  if (out.length !== q.length) fail(op, `out has ${out.length} elements, q has ${q.length}.`);
  if (keyCache.length !== valueCache.length)
    fail(op, `keyCache has ${keyCache.length} elements, valueCache ${valueCache.length}.`);
  const blocks = countRows(op, 'keyCache', keyCache, blockSize * kvHeads * headDim);
  checkStarts(op, 'queryStarts', queryStarts, rows);
  if (queryStarts.length !== lengths.length + 1)
    fail(op, `${lengths.length} lengths need ${lengths.length + 1} queryStarts, not ${queryStarts.length}.`);
  const perSequence = lengths.length === 0 ? 0 : blockTable.length / lengths.length;
  if (!Number.isInteger(perSequence))
    fail(op, `blockTable has ${blockTable.length} elements for ${lengths.length} sequences.`);
  for (let s = 0; s < lengths.length; s++) {
    const own = queryStarts[s + 1] - queryStarts[s];
    if (lengths[s] < own)
      fail(
        op,
        `sequence ${s} has ${own} query rows but only ${lengths[s]} keys.`,
        'lengths counts the new rows too',
      );
    if (lengths[s] > perSequence * blockSize) {
      fail(
        op,
        `sequence ${s} has ${lengths[s]} keys, its row of the block table holds ${perSequence} blocks of ${blockSize}.`,
      );
    }
    for (let b = 0; b * blockSize < lengths[s]; b++) {
      const block = blockTable[s * perSequence + b];
      if (block < 0 || block >= blocks)
        fail(op, `blockTable[${s}, ${b}] = ${block}, but the cache has ${blocks} blocks.`);
    }
  }
}
