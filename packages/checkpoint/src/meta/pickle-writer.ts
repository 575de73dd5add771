import type { ComputeDType } from '@cria/tensor';
import { storageName } from './pickle-values.ts';

/** A tensor of a state_dict; its numbers are the whole of the storage `key`. */
export interface TensorToPickle {
  readonly name: string;
  readonly dtype: ComputeDType;
  readonly shape: readonly number[];
  readonly key: string;
}

/**
 * The `data.pkl` of a state_dict (pickle protocol 2), as `torch.load(weights_only=True)` takes it.
 */
export function writePickle(tensors: readonly TensorToPickle[]): Uint8Array {
  const parts: Buffer[] = [];
  const raw = (text: string) => void parts.push(Buffer.from(text, 'latin1'));
  const text = (value: string) => {
    const encoded = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(encoded.length);
    raw('X');
    parts.push(length, encoded);
  };
  const whole = (value: number) => {
    const wide = value > 0x7fffffff;
    const bytes = Buffer.alloc(wide ? 8 : 4);
    if (wide) bytes.writeBigInt64LE(BigInt(value));
    else bytes.writeInt32LE(value);
    raw(wide ? '\x8a\x08' : 'J');
    parts.push(bytes);
  };
  const tuple = (values: readonly number[]) => {
    raw('(');
    values.forEach(whole);
    raw('t');
  };
  raw('\x80\x02}(');
  for (const { name, dtype, shape, key } of tensors) {
    text(name);
    raw('ctorch._utils\n_rebuild_tensor_v2\n((');
    text('storage');
    raw(`ctorch\n${storageName(dtype)}\n`);
    text(key);
    text('cpu');
    whole(shape.reduce((product, extent) => product * extent, 1));
    raw('tQ');
    whole(0);
    tuple(shape);
    tuple(shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1)));
    raw('\x89ccollections\nOrderedDict\n)RtR'); // no gradient, no hooks
  }
  raw('u.');
  return Buffer.concat(parts);
}
