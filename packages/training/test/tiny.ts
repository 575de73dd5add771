import { llamaConfig } from '@cria/layers';
import { permute } from '@cria/tensor';
import type { Batch, TrainingOptions, TrainingSource } from '../src/index.ts';

export const contextLength = 64;

export const tinyModel = llamaConfig({
  dim: 16,
  nLayers: 2,
  nHeads: 2,
  nKvHeads: 1,
  ffnDim: 24,
  vocabSize: 31,
  contextLength,
});

/** The trainer's usual shape: one matrix for both ends. */
export const tiedModel = { ...tinyModel, tiedEmbeddings: true };

/**
 * Samples of a little grammar (each token names its successor, with some noise), packed as two
 * documents; pure in the counter.
 */
export const tinyData: TrainingSource & { readonly length: number } = {
  contextLength,
  length: 5,
  batch: (position, size) => join(Array.from({ length: size }, (_, i) => sample(position + i))),
};

function sample(index: number): Batch {
  const cut = 20 + (index % 7);
  const tokens = new Int32Array(contextLength);
  for (let t = 0; t < contextLength; t++) {
    const fresh = t === 0 || t === cut || permute(t, contextLength, index, 1) < 6;
    tokens[t] = fresh ? permute(t, contextLength, index, 2) % 31 : (tokens[t - 1]! * 7 + 3) % 31;
  }
  const targets = Int32Array.from(tokens, (_, t) =>
    t === cut - 1 || t === contextLength - 1 ? -100 : tokens[t + 1]!,
  );
  return { tokens, targets, segments: Int32Array.from([0, cut, contextLength]) };
}

function join(samples: readonly Batch[]): Batch {
  const tokens = new Int32Array(samples.length * contextLength);
  const targets = new Int32Array(tokens.length);
  const segments: number[] = [0];
  samples.forEach((each, i) => {
    tokens.set(each.tokens, i * contextLength);
    targets.set(each.targets, i * contextLength);
    for (const start of each.segments.subarray(1)) segments.push(start + i * contextLength);
  });
  return { tokens, targets, segments: Int32Array.from(segments) };
}

/** Options of a run that takes a second or two. */
export function tinyOptions(
  extra: Partial<TrainingOptions> & Pick<TrainingOptions, 'device'>,
): TrainingOptions {
  return {
    model: tinyModel,
    data: tinyData,
    totalSteps: 12,
    batchSize: 4,
    learningRate: 3e-3,
    warmupSteps: 2,
    seed: 7,
    ...extra,
  };
}
