import { fail, sizeOf } from '@cria/tensor';
import type { GgufHeader, GgufTensorInfo } from '@cria/tokenizer';
import { type WeightDType, weightBytes } from '../dtypes.ts';
import { otherTypes, tensorTypes } from './tensor-types.ts';

/** A tensor of a GGUF file with its place. */
export interface GgufTensor {
  readonly name: string;
  readonly dtype: WeightDType;
  /** Row-major as everywhere here, slowest axis first: the reverse of the file's order. */
  readonly shape: readonly number[];
  /** First byte, from the start of the tensor data. */
  readonly offset: number;
  readonly bytes: number;
}

/**
 * The tensors of a header, in the order of the file: each of a type that is read, inside the file,
 * and none over another.
 */
export function placeTensors(op: string, file: string, header: GgufHeader, fileSize: number): GgufTensor[] {
  const refuse = (name: string, what: string, hint = 'the file is damaged or no GGUF file'): never =>
    fail(op, `${file}: tensor ${JSON.stringify(name)}: ${what}.`, hint);
  const dataBytes = Math.max(0, fileSize - header.dataStart);
  const tensors = header.tensors.map((tensor) => {
    const bytes = bytesOf(tensor, refuse);
    const end = tensor.offset + bytes.bytes;
    if (!Number.isSafeInteger(end) || end > dataBytes) {
      const hint = 'the file is cut short or damaged';
      refuse(tensor.name, `lies at bytes ${tensor.offset} to ${end} of ${dataBytes} of data`, hint);
    }
    return { name: tensor.name, shape: tensor.shape, offset: tensor.offset, ...bytes };
  });
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset);
  sorted.forEach(({ name, offset }, i) => {
    const before = sorted[i - 1];
    if (!before || before.offset + before.bytes <= offset) return;
    const end = before.offset + before.bytes;
    refuse(name, `at byte ${offset} overlaps ${JSON.stringify(before.name)}, which ends at ${end}`);
  });
  return tensors;
}

type Refuse = (name: string, what: string, hint?: string) => never;

function bytesOf({ name, shape, type }: GgufTensorInfo, refuse: Refuse) {
  const other = otherTypes.get(type);
  const dtype =
    tensorTypes.get(type) ??
    refuse(
      name,
      `has type ${type}${other === undefined ? ', which ggml has not' : ` (${other}), which is not read`}`,
    );
  const columns = shape.at(-1) ?? 1;
  const rowBytes = weightBytes(dtype, columns);
  if (rowBytes === undefined) return refuse(name, `has rows of ${columns}, no whole blocks of ${dtype}`);
  return { dtype, bytes: rowBytes * (sizeOf(shape) / columns) };
}
