/*
 * The models of the oracle: random weights, the kinds of Llama 2 (heads of their own, grouped) and
 * Llama 3.2 (tied, scaled RoPE), scaled down.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertCheckpoint, openCheckpoint, saveHuggingFace, type Vocabulary } from '@cria/checkpoint';
import { nativeQuantizer } from '@cria/cpu';
import { Llama, llamaConfig, type LlamaConfig } from '@cria/layers';
import { openStep, reference } from '@cria/tensor';
import { ggufVocabulary } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';

const shape = { dim: 256, nLayers: 3, nHeads: 8, ffnDim: 512, vocabSize: 512, contextLength: 512 };
export const configs: Readonly<Record<string, LlamaConfig>> = {
  'llama2-mha': llamaConfig(shape),
  'llama2-gqa': llamaConfig({ ...shape, nKvHeads: 2 }),
  'llama3.2': llamaConfig({
    ...shape,
    nKvHeads: 2,
    ropeTheta: 500000,
    tiedEmbeddings: true,
    ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 64 },
  }),
};
export const mixNames = [
  'q8_0',
  'q4_0',
  'q4_1',
  'q5_0',
  'q5_1',
  'q4_k_s',
  'q4_k_m',
  'q5_k_s',
  'q5_k_m',
  'q6_k',
] as const;

/** Token ids that every program is asked about. */
export const ids = Array.from({ length: 48 }, (_, i) => (i === 0 ? 1 : 3 + ((i * 131 + 7) % 500)));

/** Writes each model in every format below `folder`. */
export async function writeModels(folder: string, vocabularyFile: string): Promise<void> {
  const tokenizer = await loadTokenizer(vocabularyFile);
  const vocabulary: Vocabulary = { files: new Map(), gguf: ggufVocabulary(tokenizer) };
  using quantizer = nativeQuantizer();
  for (const [name, config] of Object.entries(configs)) {
    const root = join(folder, name);
    mkdirSync(root, { recursive: true });
    using device = reference();
    const model = new Llama(config, { device });
    model.parameters.allocate();
    model.parameters.initialize(11);
    for (const parameter of model.parameters.parameters) {
      const values = await parameter.value.toFloat32();
      // Far from the usual start, so that attention and norms have something to say.
      parameter.value.write(
        values.map((value, i) => (parameter.shape.length > 1 ? value * 6 : 1 + 0.3 * Math.sin(i))),
      );
    }
    await saveHuggingFace(join(root, 'hf'), config, model.parameters, { specialIds: { bos: 1, eos: [2] } });
    const source = await openCheckpoint(join(root, 'hf'));
    await convertCheckpoint(source, join(root, 'hf-shards'), { to: 'hf', shards: 3 });
    await convertCheckpoint(source, join(root, 'bf16'), { to: 'hf', dtype: 'bf16' });
    await convertCheckpoint(source, join(root, 'f32.gguf'), { to: 'gguf', vocabulary });
    for (const shards of [1, 2])
      await convertCheckpoint(source, join(root, `meta-${shards}`), { to: 'meta', shards });
    for (const quantize of mixNames) {
      const path = join(root, `${quantize}.gguf`);
      await convertCheckpoint(source, path, {
        to: 'gguf',
        quantize,
        vocabulary,
        ...(quantizer ? { quantizer } : {}),
      });
      await convertCheckpoint(await openCheckpoint(path), join(root, `${quantize}-values`), { to: 'hf' });
    }
  }
  writeFileSync(join(folder, 'ids.json'), JSON.stringify(ids));
}

/** Logits [T, V] of a checkpoint of any format, computed here. */
export async function logitsOf(path: string, tokens: readonly number[] = ids): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(path);
  using device = reference();
  const model = new Llama(checkpoint.config, { device });
  model.parameters.allocate();
  await checkpoint.load(model.parameters);
  using step = openStep(device, { rows: tokens.length });
  const hidden = model.forward(step.integers(Int32Array.from(tokens)), step);
  return model.output.forward(hidden, step).toFloat32();
}

/** Mean over positions of KL(softmax a ‖ softmax b), in nats. */
export function divergence(a: Float32Array, b: Float32Array, vocabulary: number): number {
  let total = 0;
  for (let at = 0; at < a.length; at += vocabulary) {
    const [p, q] = [logSoftmax(a.subarray(at, at + vocabulary)), logSoftmax(b.subarray(at, at + vocabulary))];
    for (let i = 0; i < vocabulary; i++) total += Math.exp(p[i] ?? 0) * ((p[i] ?? 0) - (q[i] ?? 0));
  }
  return (total * vocabulary) / a.length;
}

function logSoftmax(logits: Float32Array): Float64Array {
  const max = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const sum = logits.reduce((all, value) => all + Math.exp(value - max), 0);
  return Float64Array.from(logits, (value) => value - max - Math.log(sum));
}
