import { fail } from '@cria/tensor';
import type { GgufEntry } from '@cria/tokenizer';
import type { TensorInfo } from '../checkpoint.ts';
import { ggufConfigMetadata, ggufSpecialIds } from '../gguf/config.ts';
import { mixDType, mixes, parseMix } from '../gguf/mix.ts';
import { ROPE_FREQS } from '../gguf/open.ts';
import { GgufFile } from '../gguf/reader.ts';
import { ropeDivisors } from '../gguf/rope-freqs.ts';
import { ggufChunks, type GgufTensorToWrite } from '../gguf/writer.ts';
import { bytesOf } from '../convert.ts';
import { isBlock } from '../dtypes.ts';
import { toGgufName } from '../names.ts';
import { matrixShape, type WeightForm } from '../weight-form.ts';
import { type Conversion, weightsInOrder } from './conversion.ts';
import { filledMetadata } from './fill-vocabulary.ts';
import type { OutputFile } from './output.ts';

/** `general.file_type` of plain files. */
const FILE_TYPES = { f32: 0, f16: 1, bf16: 32, f64: 0 } as const;

/**
 * One GGUF v3 file. Norms are f32 always; with a mix, every weight has the type that
 * `llama-quantize` gives it.
 */
export async function planGguf(conversion: Conversion): Promise<OutputFile[]> {
  const { source, op, name } = conversion;
  const weights = weightsInOrder(conversion);
  const tensors = weights.map((weight): GgufTensorToWrite => {
    const stored = toGgufName(weight.name) ?? fail(op, `"${weight.name}" is no parameter of a LLaMA.`);
    const form = formOf(conversion, weight);
    const { shape } = weight;
    return { name: stored, dtype: form.dtype, shape, chunks: () => conversion.chunks(weight, form) };
  });
  const { headDim, ropeTheta, ropeScaling } = source.config;
  if (ropeScaling && (ropeScaling.type === undefined || ropeScaling.type === 'llama3')) {
    const divisors = ropeDivisors(headDim, ropeTheta, ropeScaling);
    const chunks = () => [bytesOf(divisors)];
    tensors.push({ name: ROPE_FREQS, dtype: 'f32', shape: [divisors.length], chunks });
  }
  const metadata = await metadataOf(conversion, tensors);
  return [{ name, chunks: () => ggufChunks(name, metadata, tensors) }];
}

function formOf({ op, source, options, floatDType }: Conversion, weight: TensorInfo): WeightForm {
  const { importance, quantize, dtype } = options;
  const [, columns] = matrixShape(weight);
  if (quantize === undefined) {
    if (weight.shape.length === 1) return { dtype: 'f32' };
    // Blocks go from GGUF to GGUF as they are, unless a float type is asked for.
    if (dtype === undefined && isBlock(weight.dtype)) return { dtype: weight.dtype };
    const float = floatDType(weight);
    return { dtype: float === 'f64' ? 'f32' : float };
  }
  const mix = parseMix(op, quantize);
  const weigh = importance?.get(weight.name);
  if (weigh && weigh.length !== columns)
    fail(op, `the importance of ${weight.name} has ${weigh.length} columns, the weight ${columns}.`);
  const chosen = mixDType(mix, weight.name, columns, source.config, { weighted: importance !== undefined });
  return { dtype: chosen, importance: weigh };
}

async function metadataOf(
  { op, source, options, floatDType }: Conversion,
  tensors: readonly GgufTensorToWrite[],
): Promise<ReadonlyMap<string, GgufEntry>> {
  const { config, specialIds } = source;
  const u32 = (value: number): GgufEntry => ({ type: 'u32', value });
  const embedding = source.tensors.get('tok_embeddings.weight');
  const before = source.format === 'gguf' ? (await GgufFile.open(source.path)).metadata : new Map();
  const plain = options.quantize === undefined;
  const keptType = plain && options.dtype === undefined ? before.get('general.file_type') : undefined;
  const fileType =
    options.quantize === undefined
      ? FILE_TYPES[embedding ? floatDType(embedding) : 'f32']
      : mixes[parseMix('', options.quantize)].fileType;
  const quantised = tensors.some(({ dtype }) => isBlock(dtype));
  const metadata = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ...[...before].filter(([key]) => !/^(split\.|llama\.(rope\.scal|attention\.sliding))/.test(key)),
    ['general.file_type', keptType ?? u32(fileType)],
    ...ggufConfigMetadata(config),
    ...(options.vocabulary?.gguf ?? []),
    ...ggufSpecialIds(specialIds),
  ]);
  metadata.delete('general.alignment'); // what is written here has the default
  metadata.delete('general.quantization_version');
  if (quantised) metadata.set('general.quantization_version', u32(2));
  return filledMetadata(op, metadata, config.vocabSize);
}
