import { type DeviceChoice, deviceChoices } from '@cria/devices';
import Type, { type Static } from 'typebox';

/*
 * The configuration of a run, as it stands in YAML: every field with its default and what it does.
 * A field without a default is worked out from the others (its description says how).
 */

/** Unknown keys are refused, and a section may be left out as a whole. */
const closed = { additionalProperties: false, default: {} };

/** One body of text. What it does not say, the section `data` says for all. */
const Source = Type.Object(
  {
    name: Type.Optional(Type.String({ description: 'name of the source; its first path' })),
    paths: Type.Array(Type.String(), { minItems: 1, description: 'files and folders' }),
    weight: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        description: 'share of the samples, against the other sources; its size',
      }),
    ),
    extensions: Type.Optional(
      Type.Array(Type.String(), { description: 'file name endings; texts, markdown and code' }),
    ),
    max_bytes: Type.Optional(Type.Integer({ minimum: 1, description: 'take no more bytes than this' })),
    text_field: Type.Optional(Type.String({ description: 'field of a JSONL line that holds its text' })),
  },
  { additionalProperties: false },
);

/**
 * The schema is the one place of a setting: defaults, bounds, `--print-config`, hints of errors and
 * the types come from it.
 */
export const ConfigSchema = Type.Object(
  {
    run: Type.Object(
      {
        folder: Type.Optional(
          Type.String({ description: 'where everything of the run lies; runs/<key of the configuration>' }),
        ),
        seed: Type.Integer({
          default: 0,
          minimum: 0,
          description: 'initialisation, order of the data, samples',
        }),
        device: Type.Unsafe<DeviceChoice>(
          Type.Union(
            deviceChoices.map((name) => Type.Literal(name)),
            { default: 'auto', description: 'auto takes the fastest there is' },
          ),
        ),
        threads: Type.Integer({
          default: 0,
          minimum: 0,
          maximum: 1024,
          description: '0: one a core; no result depends on it',
        }),
      },
      closed,
    ),
    model: Type.Object(
      {
        preset: Type.Optional(
          Type.String({ description: 'a named shape, such as 15m; other fields of this section change it' }),
        ),
        dim: Type.Optional(Type.Integer({ minimum: 1, description: 'width of the residual stream' })),
        n_layers: Type.Optional(Type.Integer({ minimum: 1, description: 'blocks' })),
        n_heads: Type.Optional(Type.Integer({ minimum: 1, description: 'query heads' })),
        n_kv_heads: Type.Optional(Type.Integer({ minimum: 1, description: 'key and value heads; n_heads' })),
        head_dim: Type.Optional(Type.Integer({ minimum: 2, description: 'width of a head; dim / n_heads' })),
        ffn_dim: Type.Optional(
          Type.Integer({ minimum: 1, description: 'width of the feed-forward layer; the rule of the paper' }),
        ),
        norm_eps: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'epsilon of RMSNorm' })),
        rope_theta: Type.Optional(
          Type.Number({ exclusiveMinimum: 0, description: 'base of the rotary frequencies' }),
        ),
        tied_embeddings: Type.Optional(Type.Boolean({ description: 'one matrix for input and output' })),
      },
      closed,
    ),
    data: Type.Object(
      {
        sources: Type.Array(Source, { default: [], description: 'what to train on' }),
        validation_share: Type.Number({
          default: 0.02,
          minimum: 0,
          exclusiveMaximum: 1,
          description: 'share of the documents held out',
        }),
        max_validation_windows: Type.Integer({
          default: 256,
          minimum: 1,
          description: 'most held-out windows that the evaluation at the end looks at',
        }),
        max_file_bytes: Type.Integer({
          default: 1_000_000,
          minimum: 1,
          description: 'larger files are left out',
        }),
        text_field: Type.Optional(
          Type.String({ description: 'field of a JSONL line that holds its text; text' }),
        ),
        filter_code: Type.Boolean({
          default: true,
          description: 'line-length and alphanumeric filters of the paper, section 2.1 GitHub',
        }),
      },
      closed,
    ),
    tokenizer: Type.Object(
      {
        path: Type.Optional(
          Type.String({ description: 'use this tokenizer file; one is trained on the data' }),
        ),
        vocab_size: Type.Optional(
          Type.Integer({
            minimum: 262,
            description: 'pieces of a trained tokenizer; the preset’s, else 4096',
          }),
        ),
        max_bytes: Type.Integer({
          default: 12_000_000,
          minimum: 1000,
          description: 'text to train the tokenizer on',
        }),
      },
      closed,
    ),
    training: Type.Object(
      {
        context_length: Type.Optional(
          Type.Integer({ minimum: 2, description: 'tokens of a sample; the preset’s up to 512, else 256' }),
        ),
        batch_size: Type.Integer({ default: 4, minimum: 1, description: 'samples an update' }),
        micro_batch_size: Type.Optional(
          Type.Integer({ minimum: 1, description: 'samples a pass; batch_size' }),
        ),
        steps: Type.Optional(Type.Integer({ minimum: 1, description: 'updates of the run; from minutes' })),
        minutes: Type.Number({
          default: 2,
          minimum: 0.01,
          description: 'length of the run, where steps are not given: measured once, then fixed',
        }),
        learning_rate: Type.Optional(
          Type.Number({ exclusiveMinimum: 0, description: 'peak; 0.5 / dim, at least 3e-4' }),
        ),
        warmup_steps: Type.Optional(
          Type.Integer({ minimum: 0, description: 'updates of linear warm-up; 2 % of the run' }),
        ),
        final_learning_rate_ratio: Type.Number({
          default: 0.1,
          minimum: 0,
          maximum: 1,
          description: 'where the cosine ends',
        }),
        beta1: Type.Number({ default: 0.9, minimum: 0, exclusiveMaximum: 1, description: 'AdamW' }),
        beta2: Type.Number({ default: 0.95, minimum: 0, exclusiveMaximum: 1, description: 'AdamW' }),
        weight_decay: Type.Number({ default: 0.1, minimum: 0, description: 'on matrices and embeddings' }),
        gradient_clip: Type.Number({
          default: 1,
          exclusiveMinimum: 0,
          description: 'largest global gradient norm',
        }),
        dtype: Type.Union([Type.Literal('auto'), Type.Literal('f32'), Type.Literal('bf16')], {
          default: 'auto',
          description: 'of activations and products; auto: bf16 where the device multiplies it faster',
        }),
        recompute: Type.Union([Type.Literal('none'), Type.Literal('selective'), Type.Literal('full')], {
          default: 'selective',
          description: 'what the backward pass makes again instead of keeping',
        }),
        save_every: Type.Optional(
          Type.Integer({ minimum: 1, description: 'updates between saves; a tenth of the run' }),
        ),
        keep_last: Type.Integer({ default: 2, minimum: 1, description: 'saved states to keep' }),
        keep_every: Type.Optional(
          Type.Integer({
            minimum: 1,
            description: 'besides, keep every state whose step is a multiple of this',
          }),
        ),
        evaluate_every: Type.Optional(
          Type.Integer({
            minimum: 1,
            description:
              'updates between evaluations; a tenth of the run, or what keeps them below a twentieth of the time',
          }),
        ),
        evaluation_windows: Type.Integer({
          default: 32,
          minimum: 1,
          description: 'held-out windows that an evaluation within the run looks at',
        }),
        sample_prompts: Type.Array(Type.String(), {
          default: [''],
          description: 'continued at every evaluation and at the end',
        }),
      },
      closed,
    ),
  },
  { additionalProperties: false },
);

export type Config = Static<typeof ConfigSchema>;
