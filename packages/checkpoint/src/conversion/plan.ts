import { basename } from 'node:path';
import { checkOptions, fail, floatDTypes, nearestName } from '@cria/tensor';
import type { Checkpoint } from '../checkpoint.ts';
import { parseMix } from '../gguf/mix.ts';
import { checkTied } from '../load-plan.ts';
import { plainQuantizer } from '../quantizer.ts';
import { isFloat, isNumeric } from '../dtypes.ts';
import { formChunks } from '../weight-form.ts';
import { type Conversion, type ConvertOptions, targets } from './conversion.ts';
import { planGguf } from './gguf.ts';
import { planHuggingFace } from './huggingface.ts';
import { planLlama2c } from './llama2c.ts';
import { planMeta } from './meta.ts';
import { folderOutput, type Output, type OutputFile } from './output.ts';

const op = 'convertCheckpoint';
const optionNames = [
  'to',
  'dtype',
  'quantize',
  'shards',
  'quantizer',
  'importance',
  'vocabulary',
  'onWeight',
];

/**
 * Writes a checkpoint in another format. `path` is a folder for `hf` and `meta`, a file for `gguf`
 * and `llama2c`. Weights pass one after the other in pieces of some megabytes, so memory does not
 * grow with the model. Throws before anything is written where the target cannot hold this model.
 *
 * @param output where the files go, if not below `path`.
 */
export async function convertCheckpoint(
  source: Checkpoint,
  path: string,
  options: ConvertOptions,
  output?: Output,
): Promise<void> {
  const files = await planConversion(source, basename(path), options);
  const single = options.to === 'gguf' || options.to === 'llama2c';
  const folder = single ? path.slice(0, path.length - basename(path).length) || '.' : path;
  const write = output ?? (await folderOutput(op, folder));
  for (const file of files) await write(file);
}

/** The files of a conversion, nothing of which is read yet. */
export async function planConversion(
  source: Checkpoint,
  name: string,
  options: ConvertOptions,
): Promise<OutputFile[]> {
  checkOptions(op, options, optionNames);
  checkConvertOptions(options);
  const { quantizer = plainQuantizer, onWeight = () => undefined, dtype } = options;
  for (const weight of source.tensors.values()) {
    if (!isNumeric(weight.dtype))
      fail(op, `${weight.storedName} in ${weight.file} is ${weight.dtype}, not a type of weights.`);
  }
  if (source.config.tiedEmbeddings) await checkTied(op, source.path, source.tensors);
  const conversion: Conversion = {
    op,
    source,
    options,
    name,
    floatDType: (weight) => dtype ?? (isFloat(weight.dtype) ? weight.dtype : 'f32'),
    chunks: (weight, form) => formChunks(weight, form, quantizer, onWeight),
  };
  const plans = { hf: planHuggingFace, meta: planMeta, gguf: planGguf, llama2c: planLlama2c };
  return plans[options.to](conversion);
}

function checkConvertOptions({ to, dtype, quantize, shards = 1, importance }: ConvertOptions): void {
  if (!targets.includes(to)) {
    const nearest = nearestName(String(to), targets);
    const hint = nearest ? `did you mean "${nearest}"?` : `known are ${targets.join(', ')}`;
    fail(op, `there is no target "${String(to)}".`, hint);
  }
  if (dtype !== undefined && !floatDTypes.includes(dtype))
    fail(op, `dtype is ${JSON.stringify(dtype)}.`, `give one of ${floatDTypes.join(', ')}`);
  if (quantize !== undefined) {
    parseMix(op, quantize);
    if (to !== 'gguf') fail(op, `${to} files hold no quantised weights.`, 'quantise to gguf');
    if (dtype !== undefined)
      fail(op, `both dtype ${dtype} and quantize ${quantize} are given.`, 'give one of them');
  }
  if (importance && quantize === undefined)
    fail(op, 'importance is given, but nothing is quantised.', 'give quantize too');
  if (!Number.isInteger(shards) || shards < 1 || shards > 1024)
    fail(op, `shards is ${shards}.`, 'give a whole number from 1 to 1024');
  if (shards > 1 && (to === 'gguf' || to === 'llama2c'))
    fail(op, `a ${to} file is one file, not ${shards} shards.`);
}
