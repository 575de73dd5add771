import type { Tensor } from '@cria/tensor';
import type { TensorInfo } from './checkpoint.ts';

/**
 * Reads a weight whose bytes are what the tensor wants straight into the device. False, with
 * nothing done, where it lies in several places or in another order, or the device reads no files.
 */
export async function readDirect(value: Tensor, weight: TensorInfo): Promise<boolean> {
  const { device, storage } = value;
  const { file, offset, bytes, halfSplit } = weight;
  const { readFile } = device.abilities;
  if (offset === undefined || halfSplit !== undefined || !readFile) return false;
  try {
    await readFile(file, offset, bytes, storage, value.offset);
  } finally {
    // Afterwards, so that it speaks for the bytes that were read: refuses a file that is not the one that was opened.
    await weight.readBytes(0, 0);
  }
  return true;
}
