import { type DType, dtypes } from '@cria/tensor';
import type { WeightDType } from '../dtypes.ts';

/** Tensor types that are read, by their number in ggml. */
export const tensorTypes: ReadonlyMap<number, WeightDType> = new Map<number, WeightDType>([
  ...(Object.keys(dtypes) as DType[]).flatMap((dtype) => {
    const { ggml } = dtypes[dtype];
    return ggml === undefined ? [] : [[ggml, dtype] as const];
  }),
  [24, 'i8'],
  [25, 'i16'],
  [27, 'i64'],
]);
const numbers = new Map([...tensorTypes].map(([number, dtype]) => [dtype, number]));

export function tensorTypeNumber(dtype: WeightDType): number | undefined {
  return numbers.get(dtype);
}

/** Types of ggml that are known but not read, by ggml's names, for messages. */
export const otherTypes: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
  [40, 'NVFP4'],
]);
