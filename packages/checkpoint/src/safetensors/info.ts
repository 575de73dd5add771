import type { TensorInfo } from '../checkpoint.ts';
import type { HeaderTensor } from './header.ts';
import type { SafetensorsFile } from './reader.ts';

/** A tensor of one file as a checkpoint has it: where it lies, and in Meta's order of rows. */
export function infoOf(
  file: SafetensorsFile,
  { name: storedName, dtype, shape, begin, end }: HeaderTensor,
  name = storedName,
): TensorInfo {
  return {
    name,
    storedName,
    file: file.path,
    offset: file.dataStart + begin,
    dtype,
    shape,
    bytes: end - begin,
    halfSplit: undefined,
    readBytes: (from, to) => file.read(storedName, from, to),
  };
}
