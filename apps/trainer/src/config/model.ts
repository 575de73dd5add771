import { type LlamaConfig, llamaConfig, preset } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { Config } from './schema.ts';

/**
 * The shape trained where nothing is said: small enough to learn something in two minutes on two
 * cores.
 */
const defaultShape = { dim: 128, nLayers: 4, nHeads: 4, nKvHeads: 2, tiedEmbeddings: true };
// A few thousand pieces and a short context: what two minutes of training can fill.
const defaultVocabSize = 4096;
const defaultContextLength = 256;

/** Pieces a tokenizer trained for this run gets. */
export function vocabSizeOf({ tokenizer, model }: Config): number {
  return tokenizer.vocab_size ?? (model.preset ? preset(model.preset).vocabSize : defaultVocabSize);
}

/**
 * Peak learning rate: as configured, or falling with the width to the 3e-4 that the paper takes at
 * 4096.
 */
export function learningRateOf({ training }: Config, { dim }: LlamaConfig): number {
  return training.learning_rate ?? Math.max(3e-4, 0.5 / dim);
}

/** Tokens of a sample. */
export function contextLengthOf({ training, model }: Config): number {
  return (
    training.context_length ??
    (model.preset ? Math.min(preset(model.preset).contextLength, 512) : defaultContextLength)
  );
}

/** The model's configuration, for the vocabulary of the tokenizer at hand. */
export function modelOf(config: Config, vocabSize: number): LlamaConfig {
  const fields = config.model;
  const base = fields.preset ? preset(fields.preset) : undefined;
  const shape = base ?? defaultShape;
  const nHeads = fields.n_heads ?? shape.nHeads;
  const contextLength = contextLengthOf(config);
  // Rotary frequencies of a preset are chosen for its context.
  if (base && contextLength > base.contextLength) {
    fail(
      'config',
      `training.context_length ${contextLength} is longer than the ${base.contextLength} of preset ${fields.preset}.`,
    );
  }
  // A preset's widths belong together: whoever changes one gets the others by rule, not from the
  // preset.
  const changed = fields.dim !== undefined || fields.n_heads !== undefined;
  return llamaConfig({
    dim: fields.dim ?? shape.dim,
    nLayers: fields.n_layers ?? shape.nLayers,
    nHeads,
    nKvHeads: fields.n_kv_heads ?? (fields.n_heads === undefined ? shape.nKvHeads : nHeads),
    ...(fields.head_dim !== undefined
      ? { headDim: fields.head_dim }
      : base && !changed
        ? { headDim: base.headDim }
        : {}),
    ...(fields.ffn_dim !== undefined
      ? { ffnDim: fields.ffn_dim }
      : base && fields.dim === undefined
        ? { ffnDim: base.ffnDim }
        : {}),
    ...(base?.ropeScaling ? { ropeScaling: base.ropeScaling } : {}),
    normEps: fields.norm_eps ?? base?.normEps ?? 1e-5,
    ropeTheta: fields.rope_theta ?? base?.ropeTheta ?? 10000,
    tiedEmbeddings: fields.tied_embeddings ?? shape.tiedEmbeddings,
    vocabSize,
    contextLength,
  });
}
