import { checkOptions, fail } from '@cria/tensor';

/** What every scaling of RoPE can say. */
interface ScalingBase {
  /** How many times longer texts may become; 1 leaves the frequencies alone. */
  readonly factor: number;
  /**
   * Cosines and sines are multiplied by this, so scores by its square. Default 1; YaRN's default is
   * 0.1 · ln(factor) + 1 for factors above 1.
   */
  readonly attentionFactor?: number;
}

/** Llama 3.1's stretching of long wavelengths (section "rope_type llama3" of the model cards' code). */
export interface Llama3Scaling extends ScalingBase {
  /** May be left out here: this was the first kind, and the only one for long. */
  readonly type?: 'llama3';
  /** Wavelengths above originalContextLength / lowFreqFactor grow by the whole factor. */
  readonly lowFreqFactor: number;
  /** Wavelengths below originalContextLength / highFreqFactor stay. */
  readonly highFreqFactor: number;
  /** Context of the training before the stretching, in tokens. */
  readonly originalContextLength: number;
}

/** Every wavelength grows by the factor: positions are divided by it (Chen et al. 2023). */
export interface LinearScaling extends ScalingBase {
  readonly type: 'linear';
}

/**
 * θ grows with the text (NTK by parts of Reddit's u/emozilla). Position p beyond the original
 * context turns by the θ of a text that ends there: what transformers does when a text grows token
 * by token, and the only form in which keys of a cache stay what they are.
 */
export interface DynamicScaling extends ScalingBase {
  readonly type: 'dynamic';
  /** Shorter texts are not scaled at all. */
  readonly originalContextLength: number;
}

/**
 * Short wavelengths stay, long ones grow by the factor, those between are blended by the number of
 * turns (Peng et al. 2023).
 */
export interface YarnScaling extends ScalingBase {
  readonly type: 'yarn';
  readonly originalContextLength: number;
  /** Pairs that turn more often than this in the original context stay; default 32. */
  readonly betaFast?: number;
  /** Pairs that turn less often than this grow by the whole factor; default 1. */
  readonly betaSlow?: number;
  /** Round the ends of the blend outwards to whole pairs; default true. */
  readonly truncate?: boolean;
}

/** How RoPE's frequencies are stretched beyond the context of the first training. */
export type RopeScaling = Llama3Scaling | LinearScaling | DynamicScaling | YarnScaling;

const FIELDS = {
  llama3: ['lowFreqFactor', 'highFreqFactor', 'originalContextLength'],
  linear: [],
  dynamic: ['originalContextLength'],
  yarn: ['originalContextLength', 'betaFast', 'betaSlow', 'truncate'],
} as const;
const OPTIONAL = new Set(['betaFast', 'betaSlow', 'attentionFactor']);

/** What cosines and sines are multiplied by: 1 but for YaRN and where a file says otherwise. */
export function ropeAttentionFactor(scaling: RopeScaling | undefined): number {
  if (!scaling) return 1;
  const { attentionFactor, type, factor } = scaling;
  return attentionFactor ?? (type === 'yarn' ? yarnMagnitude(factor) : 1);
}

/** YaRN's temperature of a factor: 0.1 · scale · ln(factor) + 1, and 1 where nothing is stretched. */
export function yarnMagnitude(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/** Throws where a scaling has no known type, fields of another type, or numbers that cannot be. */
export function checkScaling(scaling: RopeScaling): void {
  const { type = 'llama3' } = scaling;
  const own = Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined;
  if (!own)
    fail(
      'llamaConfig',
      `ropeScaling.type is ${JSON.stringify(type)}.`,
      `known types are ${Object.keys(FIELDS).join(', ')}`,
    );
  checkOptions('llamaConfig.ropeScaling', scaling, ['type', 'factor', 'attentionFactor', ...own]);
  const values = scaling as unknown as Readonly<Record<string, unknown>>; // fields by name, whichever type
  for (const name of ['factor', 'attentionFactor', ...own]) {
    const value = values[name];
    if (value === undefined && (OPTIONAL.has(name) || name === 'truncate')) continue;
    if (name === 'truncate') {
      if (typeof value !== 'boolean')
        fail('llamaConfig', `ropeScaling.truncate is ${String(value)}.`, 'give true or false');
    } else if (!(Number.isFinite(value) && (value as number) > 0))
      fail('llamaConfig', `ropeScaling.${name} is ${String(value)}.`, 'give a number above 0');
  }
  if (scaling.type === undefined || scaling.type === 'llama3') {
    const { lowFreqFactor, highFreqFactor } = scaling;
    if (!(lowFreqFactor < highFreqFactor)) {
      fail(
        'llamaConfig',
        `ropeScaling goes from lowFreqFactor ${lowFreqFactor} to highFreqFactor ${highFreqFactor}.`,
        'low must lie below high',
      );
    }
  }
}
