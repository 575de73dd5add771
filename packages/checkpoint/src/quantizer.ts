import { byteLength, dequantize, dtypes, type QuantizableDType, quantize } from '@cria/tensor';

/** How far stored blocks are from the numbers they were made of. */
export interface BlockError {
  /** Σ (stored − exact)²; not finite where a number was not. */
  readonly squares: number;
  readonly largest: number;
}

export interface Quantized {
  readonly blocks: Uint8Array;
  readonly error: BlockError;
}

/** Rows of little-endian numbers in a file. */
export interface NumbersInFile {
  readonly file: string;
  /** First byte. */
  readonly offset: number;
  readonly elements: number;
  readonly dtype: 'f32' | 'bf16' | 'f16';
  /**
   * Rows come in heads of so many in Hugging Face's order and are wanted in Meta's; undefined: as
   * they are.
   */
  readonly halfSplit: number | undefined;
}

/**
 * Turns rows of numbers into blocks. @cria/cpu has one in vectorised code that gives the same bits.
 */
export interface Quantizer {
  quantize(
    dtype: QuantizableDType,
    x: Float32Array,
    columns: number,
    importance?: Float32Array,
  ): Quantized | Promise<Quantized>;
  /** The same for numbers in a file, without reading it first; absent where that cannot be. */
  quantizeFile?(
    dtype: QuantizableDType,
    place: NumbersInFile,
    columns: number,
    importance?: Float32Array,
  ): Promise<Quantized>;
}

/** The reference quantisers of @cria/tensor. */
export const plainQuantizer: Quantizer = {
  quantize(dtype, x, columns, importance) {
    const blocks = new Uint8Array(byteLength(dtype, x.length));
    quantize(dtype, x, columns, blocks, importance);
    return { blocks, error: blockError(dtype, blocks, x) };
  },
};

function blockError(dtype: QuantizableDType, blocks: Uint8Array, x: Float32Array): BlockError {
  const { blockSize, blockBytes } = dtypes[dtype];
  const stored = new Float32Array(blockSize);
  let squares = 0;
  let largest = 0;
  for (let i = 0; i < x.length / blockSize; i++) {
    dequantize(dtype, blocks.subarray(i * blockBytes, (i + 1) * blockBytes), stored);
    for (let j = 0; j < blockSize; j++) {
      const difference = Math.abs((stored[j] ?? 0) - (x[i * blockSize + j] ?? 0));
      squares += difference * difference;
      if (difference > largest) largest = difference;
    }
  }
  return { squares, largest };
}
