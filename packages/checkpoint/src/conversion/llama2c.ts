import { fail } from '@cria/tensor';
import { llama2cChunks } from '../llama2c-writer.ts';
import { type Conversion, weightsInOrder } from './conversion.ts';
import { filledTokenizerBin } from './fill-vocabulary.ts';
import type { OutputFile } from './output.ts';

/** One llama2.c file of version 0, and `tokenizer.bin` beside it where a vocabulary is given. */
export async function planLlama2c(conversion: Conversion): Promise<OutputFile[]> {
  const { op, source, options, name } = conversion;
  const { config } = source;
  if (options.dtype !== undefined && options.dtype !== 'f32')
    fail(op, `a llama2.c file of version 0 holds f32, not ${options.dtype}.`);
  const facts: [string, unknown, unknown][] = [
    ['normEps', config.normEps, 1e-5],
    ['ropeTheta', config.ropeTheta, 10000],
    ['ropeScaling', config.ropeScaling, undefined],
    ['headDim', config.headDim, config.dim / config.nHeads],
    ['attentionBias', config.attentionBias, undefined],
    ['mlpBias', config.mlpBias, undefined],
    ['slidingWindow', config.slidingWindow, undefined],
  ];
  for (const [field, value, fixed] of facts) {
    if (value !== fixed)
      fail(
        op,
        `the model has ${field} ${JSON.stringify(value)}, llama2.c always ${String(fixed)}.`,
        'its programs would compute something else',
      );
  }
  const weights = new Map(weightsInOrder(conversion).map((weight) => [weight.name, weight]));
  const chunks = () =>
    llama2cChunks(config, (each) => {
      const weight = weights.get(each) ?? fail(op, `${source.path} has no tensor "${each}".`);
      return conversion.chunks(weight, { dtype: 'f32' });
    });
  const files = [...(options.vocabulary?.files ?? [])].map(([file, bytes]) => {
    const content = file === 'tokenizer.bin' ? filledTokenizerBin(op, bytes, config.vocabSize) : bytes;
    return { name: file, chunks: () => [content] };
  });
  return [{ name, chunks }, ...files];
}
