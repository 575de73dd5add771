import type { ComputeDType } from '@cria/tensor';
import type { WeightDType } from '../dtypes.ts';

/* What a pickle of tensors is made of, beside numbers, texts, lists and dictionaries. */

/** A tensor as the pickle describes it; its numbers lie in a storage. */
export class PickledTensor {
  readonly storage: PickledStorage;
  /** First element in the view of the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: PickledStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Elements of a storage that tensors see of it. */
export interface StorageView {
  readonly offset: number;
  readonly size: number;
}

/** Where the numbers of tensors lie. */
export class PickledStorage {
  readonly dtype: WeightDType;
  readonly key: string;
  /** Elements of the whole storage. */
  readonly size: number;
  /** All of it, but in files of old, which knew storages inside of others. */
  readonly view: StorageView;

  constructor(dtype: WeightDType, key: string, size: number, view: StorageView = { offset: 0, size }) {
    this.dtype = dtype;
    this.key = key;
    this.size = size;
    this.view = view;
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
const storages = {
  FloatStorage: 'f32',
  DoubleStorage: 'f64',
  HalfStorage: 'f16',
  BFloat16Storage: 'bf16',
  LongStorage: 'i64',
  IntStorage: 'i32',
  ShortStorage: 'i16',
  CharStorage: 'i8',
  ByteStorage: 'u8',
  BoolStorage: 'bool',
  ComplexFloatStorage: 'c64',
} as const satisfies Record<string, WeightDType>;

/** By the class's whole name, as pickles have it. */
export const storageTypes: ReadonlyMap<string, WeightDType> = new Map(
  Object.entries(storages).map(([name, dtype]) => [`torch.${name}`, dtype] as const),
);

const names = new Map<WeightDType, string>(Object.entries(storages).map(([name, dtype]) => [dtype, name]));

/** The storage class for a float type. */
export function storageName(dtype: ComputeDType): string {
  return names.get(dtype)!; // every float type has one
}
