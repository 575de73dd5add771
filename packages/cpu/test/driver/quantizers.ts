import { quantizable, quantize } from '@cria/tensor';
import type { Native } from '../../src/native.ts';
import { Quantizer } from '../../src/quantize.ts';

/**
 * Quantisers against the plain ones, bit for bit: rows of an odd number of blocks, scales from
 * 1e-18 to 1e18, plain and weighted. (Beyond that squares overflow, and a scale that is no number
 * has the sign that the processor gives it.)
 */
export async function quantizerFailures(native: Native, isa: number): Promise<string[]> {
  const failures: string[] = [];
  using quantizer = new Quantizer(native, 2, isa);
  const columns = 768;
  const x = Float32Array.from(
    { length: 9 * columns },
    (_, i) => Math.sin(i * i) * 10 ** (((i >> 5) % 37) - 18),
  );
  x.set([0, -0, 1e-45, -1e-45], 1024);
  x.fill(0, 2000, 2300);
  const importance = Float32Array.from({ length: columns }, (_, i) => (i * 7) % 5);
  for (const dtype of quantizable) {
    for (const weights of [undefined, importance]) {
      const { blocks } = await quantizer.quantize(dtype, x, columns, weights);
      const plain = new Uint8Array(blocks.length);
      quantize(dtype, x, columns, plain, weights);
      const wrong = blocks.findIndex((byte, i) => byte !== plain[i]);
      if (wrong >= 0) failures.push(`quantize ${dtype}${weights ? ', weighted' : ''}: byte ${wrong} differs`);
    }
  }
  return failures;
}
