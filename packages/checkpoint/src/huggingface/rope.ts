import { type LlamaConfig, type RopeScaling, yarnMagnitude } from '@cria/layers';
import { fail } from '@cria/tensor';
import type { Family } from '../families.ts';
import { checkRecord, type Fields, flag, positive, show, wholeNumber } from './fields.ts';

const op = 'config.json';

/** What a configuration says of positions. */
export type Rope = Pick<LlamaConfig, 'ropeTheta' | 'contextLength' | 'ropeScaling'>;

/**
 * `rope_parameters` of new files, or `rope_theta` with `rope_scaling` of old ones, as transformers'
 * `modeling_rope_utils.py` reads them.
 */
export function readRope(file: string, fields: Fields, { defaults }: Family): Rope {
  const contextLength = wholeNumber(file, fields, 'max_position_embeddings', defaults.contextLength);
  const section = fields['rope_parameters'] != null ? 'rope_parameters' : 'rope_scaling';
  if (fields[section] == null) {
    checkWhole(file, fields);
    return { ropeTheta: positive(file, fields, 'rope_theta', defaults.ropeTheta), contextLength };
  }
  const rope = checkRecord(file, section, fields[section]);
  checkWhole(file, fields, rope);
  const ropeTheta = positive(
    file,
    rope['rope_theta'] == null ? fields : rope,
    'rope_theta',
    defaults.ropeTheta,
  );
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  if (type === 'default') return { ropeTheta, contextLength };
  const read = Object.hasOwn(readers, String(type)) ? readers[type as keyof typeof readers] : undefined;
  if (!read)
    return fail(
      op,
      `${file}: ${section} has rope_type ${show(type)}.`,
      `known types are "default", ${Object.keys(readers)
        .map((each) => `"${each}"`)
        .join(', ')}`,
    );
  return { ropeTheta, contextLength, ...read(file, rope, contextLength) };
}

/** What would turn a part of a head only, or layers in different ways. */
function checkWhole(file: string, ...sections: readonly Fields[]): void {
  for (const section of sections) {
    const { partial_rotary_factor: partial = 1 } = section;
    if (partial !== 1)
      fail(op, `${file}: partial_rotary_factor is ${show(partial)}.`, 'LLaMA rotates whole heads');
    for (const kind of ['full_attention', 'sliding_attention'])
      if (section[kind] !== undefined) fail(op, `${file}: RoPE of its own for layers of ${kind}.`);
  }
}

type Read = (
  file: string,
  rope: Fields,
  contextLength: number,
) => Required<Pick<Rope, 'ropeScaling'>> & { readonly contextLength?: number };

const readers: Readonly<Record<'llama3' | 'linear' | 'dynamic' | 'yarn', Read>> = {
  llama3: (file, rope) => ({
    ropeScaling: {
      factor: positive(file, rope, 'factor'),
      lowFreqFactor: positive(file, rope, 'low_freq_factor'),
      highFreqFactor: positive(file, rope, 'high_freq_factor'),
      originalContextLength: wholeNumber(file, rope, 'original_max_position_embeddings'),
    },
  }),
  linear: (file, rope) => ({ ropeScaling: { type: 'linear', factor: positive(file, rope, 'factor') } }),
  // max_position_embeddings is the length from which θ grows; texts may be longer by the factor.
  dynamic: (file, rope, contextLength) => {
    const factor = positive(file, rope, 'factor');
    return {
      contextLength: Math.max(contextLength, Math.floor(contextLength * factor)),
      ropeScaling: { type: 'dynamic', factor, originalContextLength: contextLength },
    };
  },
  yarn: (file, rope, contextLength) => {
    const optional = (name: string) => (rope[name] ? positive(file, rope, name) : undefined); // 0 is "not given" there
    const factor = positive(file, rope, 'factor');
    const [mscale, all] = [optional('mscale'), optional('mscale_all_dim')];
    const implied =
      mscale !== undefined && all !== undefined
        ? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, all)
        : undefined;
    const given = rope['attention_factor'] == null ? implied : positive(file, rope, 'attention_factor');
    const [betaFast, betaSlow] = [optional('beta_fast'), optional('beta_slow')];
    return {
      ropeScaling: {
        type: 'yarn',
        factor,
        originalContextLength: wholeNumber(file, rope, 'original_max_position_embeddings', contextLength),
        ...(given === undefined ? {} : { attentionFactor: given }),
        ...(betaFast === undefined ? {} : { betaFast }),
        ...(betaSlow === undefined ? {} : { betaSlow }),
        ...(flag(file, rope, 'truncate', true) ? {} : { truncate: false }),
      },
    };
  },
};

/**
 * `rope_scaling` with which transformers computes the same; null for none. Throws where it has no
 * form for it.
 */
export function toRopeScaling(scaling: RopeScaling | undefined): Record<string, unknown> | null {
  if (!scaling) return null;
  const { factor, attentionFactor } = scaling;
  if (scaling.type !== 'yarn' && attentionFactor !== undefined && attentionFactor !== 1)
    fail(op, `an attention factor of ${attentionFactor} has no place beside ${scaling.type ?? 'llama3'}.`);
  switch (scaling.type) {
    case 'linear':
      return { rope_type: 'linear', factor };
    case 'dynamic':
      return { rope_type: 'dynamic', factor };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor,
        original_max_position_embeddings: scaling.originalContextLength,
        ...(attentionFactor === undefined ? {} : { attention_factor: attentionFactor }),
        ...(scaling.betaFast === undefined ? {} : { beta_fast: scaling.betaFast }),
        ...(scaling.betaSlow === undefined ? {} : { beta_slow: scaling.betaSlow }),
        ...(scaling.truncate === undefined ? {} : { truncate: scaling.truncate }),
      };
    default:
      return {
        rope_type: 'llama3',
        factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalContextLength,
      };
  }
}
