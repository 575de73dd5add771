import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaConfig } from '@cria/layers';
import { describe, expect, it } from 'vitest';
import { parseHuggingFaceConfig, toHuggingFaceConfig } from '@cria/checkpoint/formats';
import { fixtures, have, plainParse, tiny } from './helpers.ts';

const base = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  vocab_size: 128256,
};
const scaled = {
  factor: 32.0,
  low_freq_factor: 1.0,
  high_freq_factor: 4.0,
  original_max_position_embeddings: 8192,
};
const ropeScaling = { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };

describe('config.json', () => {
  it('has the defaults of transformers', () => {
    const { config, specialIds } = parseHuggingFaceConfig(base);
    expect(config).toEqual({
      dim: 2048,
      nLayers: 16,
      nHeads: 32,
      nKvHeads: 32,
      headDim: 64,
      ffnDim: 8192,
      vocabSize: 128256,
      contextLength: 2048,
      normEps: 1e-6,
      ropeTheta: 10000,
      tiedEmbeddings: false,
    });
    expect(specialIds).toEqual({ bos: undefined, eos: [], pad: undefined });
  });

  it.each<[string, object, object]>([
    [
      'rope_scaling with rope_type',
      { rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...scaled } },
      { ropeTheta: 5e5, ropeScaling },
    ],
    [
      'rope_scaling with type',
      { rope_theta: 5e5, rope_scaling: { type: 'llama3', ...scaled } },
      { ropeTheta: 5e5, ropeScaling },
    ],
    [
      'rope_parameters',
      { rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, ...scaled } },
      { ropeTheta: 5e5, ropeScaling },
    ],
    [
      'default rope_parameters',
      { rope_parameters: { rope_type: 'default', rope_theta: 5e5 } },
      { ropeTheta: 5e5 },
    ],
    [
      'rope_parameters beside rope_theta',
      { rope_theta: 5e5, rope_parameters: { rope_type: 'default' } },
      { ropeTheta: 5e5 },
    ],
    ['no scaling as null', { rope_scaling: null, head_dim: null }, { ropeTheta: 10000, headDim: 64 }],
    [
      'grouped heads of a width of their own',
      { num_key_value_heads: 8, head_dim: 128 },
      { nKvHeads: 8, headDim: 128 },
    ],
    ['tied embeddings', { tie_word_embeddings: true }, { tiedEmbeddings: true }],
    ['biases', { attention_bias: true, mlp_bias: true }, { attentionBias: 'all', mlpBias: true }],
    [
      'a Mistral without a word about its window',
      { model_type: 'mistral' },
      { slidingWindow: 4096, nKvHeads: 8, contextLength: 131072 },
    ],
    [
      'windows in some layers',
      {
        model_type: 'mistral',
        sliding_window: 5,
        layer_types: Array.from({ length: 16 }, (_, i) => (i % 2 ? 'full_attention' : 'sliding_attention')),
      },
      { slidingWindow: 5, slidingLayers: Array.from({ length: 16 }, (_, i) => i % 2 === 0) },
    ],
    ['the first Yi', { model_type: 'Yi' }, { nKvHeads: 4, ropeTheta: 5e6, normEps: 1e-5 }],
  ])('reads %s', (_, fields, wanted) => {
    const { config } = parseHuggingFaceConfig({ ...base, ...fields });
    expect(config).toMatchObject(wanted);
    if (!('slidingWindow' in wanted)) expect(config).not.toHaveProperty('slidingWindow');
    if (!('ropeScaling' in wanted)) expect(config).not.toHaveProperty('ropeScaling');
  });

  it('reads one or several end tokens, and -1 as no padding', () => {
    expect(
      parseHuggingFaceConfig({ ...base, bos_token_id: 0, eos_token_id: [2, 3], pad_token_id: -1 }).specialIds,
    ).toEqual({
      bos: 0,
      eos: [2, 3],
      pad: undefined,
    });
    expect(parseHuggingFaceConfig({ ...base, eos_token_id: 2 }).specialIds.eos).toEqual([2]);
  });

  it.each<[string, unknown, string]>([
    ['another model', { ...base, model_type: 'qwen2' }, 'model_type is "qwen2"'],
    ['a bias that is no flag', { ...base, attention_bias: 'yes' }, 'attention_bias is "yes"'],
    [
      'biases of a relative that has none',
      { ...base, model_type: 'mistral', attention_bias: true },
      'attention_bias is true, and model_type "mistral"',
    ],
    ['another activation', { ...base, hidden_act: 'gelu' }, 'hidden_act is "gelu"'],
    ['longrope', { ...base, rope_scaling: { type: 'longrope', factor: 2 } }, 'rope_type "longrope"'],
    ['su', { ...base, rope_scaling: { type: 'su', short_factor: [1] } }, 'rope_type "su"'],
    ['heads that turn in part', { ...base, partial_rotary_factor: 0.5 }, 'partial_rotary_factor is 0.5'],
    [
      'heads that turn in part, new form',
      { ...base, rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.25 } },
      'partial_rotary_factor is 0.25',
    ],
    [
      'layers with RoPE of their own',
      { ...base, rope_parameters: { full_attention: { rope_type: 'default' } } },
      'layers of full_attention',
    ],
    [
      'a window that no class of transformers has',
      { ...base, layer_types: ['sliding_attention'] },
      'layer_types has sliding_attention',
    ],
    [
      'scaling without its numbers',
      { ...base, rope_scaling: { type: 'llama3', factor: 8 } },
      'low_freq_factor is missing',
    ],
    ['a missing size', { ...base, hidden_size: undefined }, 'hidden_size is missing'],
    ['a size as text', { ...base, vocab_size: '32000' }, 'vocab_size is "32000"'],
    ['heads that do not divide', { ...base, num_attention_heads: 30 }, 'head_dim is 68.26'],
    ['heads that cannot share', { ...base, num_key_value_heads: 5 }, '32 heads cannot share 5'],
    ['quantised weights', { ...base, quantization_config: { bits: 4 } }, 'quantization_config'],
    ['a list', [], 'the configuration is []'],
    ['eps of zero', { ...base, rms_norm_eps: 0 }, 'rms_norm_eps is 0'],
  ])('refuses %s', (_, json, message) => {
    expect(() => parseHuggingFaceConfig(json, 'x/config.json')).toThrow(message);
    expect(() => parseHuggingFaceConfig(json, 'x/config.json')).toThrow('x/config.json');
  });

  it('comes back from what it writes', () => {
    for (const config of [
      tiny,
      llamaConfig({ ...tiny, tiedEmbeddings: true, normEps: 1e-6, ropeTheta: 5e5, ropeScaling }),
    ]) {
      const json = JSON.parse(
        JSON.stringify(toHuggingFaceConfig(config, { specialIds: { bos: 1, eos: [2, 5] } })),
      );
      expect(parseHuggingFaceConfig(json)).toEqual({
        config,
        specialIds: { bos: 1, eos: [2, 5], pad: undefined },
      });
    }
  });

  const written = have(join(fixtures, 'llama')) ? readdirSync(join(fixtures, 'llama')) : [];
  it.skipIf(written.length === 0).each(written)('reads what transformers wrote: %s', (name) => {
    const folder = join(fixtures, 'llama', name);
    const json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const { config, specialIds } = parseHuggingFaceConfig(json);
    const weights = plainParse(join(folder, 'model.safetensors'));
    const shape = (part: string) => weights[`model.layers.0.${part}.weight`]!.shape;
    const layers = Object.keys(weights).map((each) => Number(/layers\.(\d+)\./.exec(each)?.[1] ?? 0));
    expect(config.nLayers).toBe(Math.max(...layers) + 1);
    expect([config.vocabSize, config.dim]).toEqual(weights['model.embed_tokens.weight']!.shape);
    expect([config.nHeads * config.headDim, config.dim]).toEqual(shape('self_attn.q_proj'));
    expect([config.nKvHeads * config.headDim, config.dim]).toEqual(shape('self_attn.k_proj'));
    expect([config.ffnDim, config.dim]).toEqual(shape('mlp.gate_proj'));
    expect(config.tiedEmbeddings).toBe(!('lm_head.weight' in weights));
    expect([config.normEps, config.contextLength]).toEqual([json.rms_norm_eps, json.max_position_embeddings]);
    const rope = json.rope_parameters ?? { rope_theta: json.rope_theta, ...json.rope_scaling };
    expect(config.ropeTheta).toBe(rope.rope_theta ?? json.rope_theta);
    expect(config.ropeScaling?.factor).toBe(rope.rope_type === 'default' ? undefined : rope.factor);
    const ends = [json.eos_token_id ?? []].flat();
    expect(specialIds).toEqual({
      bos: json.bos_token_id ?? undefined,
      eos: ends,
      pad: json.pad_token_id ?? undefined,
    });
  });
});
