import type { FloatDType, StoredDType } from '../safetensors/dtypes.ts';

/* What a pickle of tensors is made of, beside numbers, texts, lists and dictionaries. */

/** A tensor as the pickle describes it; its numbers lie in the storage `key`. */
export class PickledTensor {
  readonly dtype: StoredDType;
  readonly key: string;
  /** Elements of the whole storage. */
  readonly storageSize: number;
  /** First element in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: PickledStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.dtype = storage.dtype;
    this.key = storage.key;
    this.storageSize = storage.size;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Where the numbers of tensors lie. */
export class PickledStorage {
  readonly dtype: StoredDType;
  readonly key: string;
  readonly size: number;

  constructor(dtype: StoredDType, key: string, size: number) {
    this.dtype = dtype;
    this.key = key;
    this.size = size;
  }
}

/** A name from a module, which only REDUCE and persistent ids give a meaning. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** PyTorch's storage classes, and what they hold. */
export const storageTypes: Readonly<Record<string, StoredDType>> = {
  'torch.FloatStorage': 'F32',
  'torch.DoubleStorage': 'F64',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
  'torch.ComplexFloatStorage': 'C64',
};

/** The storage class of PyTorch for a float type. */
export const storageNames: Readonly<Record<FloatDType, string>> = {
  F32: 'FloatStorage',
  F64: 'DoubleStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
};
