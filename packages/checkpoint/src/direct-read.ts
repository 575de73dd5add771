import type { StorageId, Tensor } from '@cria/tensor';
import type { TensorInfo } from './checkpoint.ts';

/** A device that reads files into its memory without a copy in between, as that of @cria/cpu does. */
interface FileReader {
  readFile(path: string, from: number, bytes: number, storage: StorageId, offset: number): Promise<void>;
}

/**
 * Reads a weight whose bytes are what the tensor wants straight into the device. False, with nothing done, where it lies in several
 * places or in another order, or the device reads no files.
 */
export async function readDirect(value: Tensor, weight: TensorInfo): Promise<boolean> {
  const { device, storage } = value;
  const { file, offset, bytes, halfSplit } = weight;
  if (offset === undefined || halfSplit !== undefined || !readsFiles(device)) return false;
  try {
    await device.readFile(file, offset, bytes, storage, value.offset);
  } finally {
    // Afterwards, so that it speaks for the bytes that were read: refuses a file that is not the one that was opened.
    await weight.readBytes(0, 0);
  }
  return true;
}

function readsFiles(device: object): device is FileReader {
  return 'readFile' in device && typeof device.readFile === 'function';
}
