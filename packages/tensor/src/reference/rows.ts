import { byteLength } from '../dtype.ts';
import type { Kernels } from '../kernels.ts';
import type { Memory } from './memory.ts';

/** Kernels that pick rows by index. */
export function rowKernels(
  memory: Memory,
): Pick<Kernels, 'embedding' | 'embeddingGrad' | 'gatherRows' | 'cacheWrite'> {
  return {
    embedding(y, tokens, table, part) {
      const first = part?.first ?? 0;
      const D = y.columns;
      const ids = memory.integers(tokens);
      const output = memory.target(y);
      for (let t = 0; t < ids.length; t++) {
        const row = ids[t] - first;
        if (row >= 0 && row < table.rows) output.set(memory.rows(table, row, row + 1), t * D);
        else output.fill(0, t * D, (t + 1) * D);
      }
      memory.store(y, output);
    },

    embeddingGrad(dtable, dy, tokens, part) {
      const first = part?.first ?? 0;
      const D = dy.columns;
      const ids = memory.integers(tokens);
      const upstream = memory.numbers(dy);
      const gradient = memory.numbers(dtable);
      for (let t = 0; t < ids.length; t++) {
        const row = ids[t] - first;
        if (row < 0 || row >= dtable.rows) continue;
        for (let d = 0; d < D; d++) gradient[row * D + d] += upstream[t * D + d];
      }
      memory.store(dtable, gradient);
    },

    gatherRows(y, x, rows) {
      const bytes = byteLength(x.dtype, x.columns);
      const source = memory.bytes(x);
      const output = memory.bytes(y);
      memory
        .integers(rows)
        .forEach((row, i) => output.set(source.subarray(row * bytes, (row + 1) * bytes), i * bytes));
    },

    cacheWrite(keyCache, valueCache, k, v, slots) {
      const width = keyCache.columns;
      for (const [cache, fresh] of [
        [keyCache, k],
        [valueCache, v],
      ] as const) {
        const bySlot = cache.reshape(cache.rows, width);
        memory.integers(slots).forEach((slot, t) => {
          if (slot >= 0) memory.store(bySlot.slice(slot, slot + 1), memory.rows(fresh, t, t + 1));
        });
      }
    },
  };
}
