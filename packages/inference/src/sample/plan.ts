import { argmax, draw, exponentiate, type SampleRow } from '@cria/tensor';
import { allowedBits, type IdBits } from './allowed-ids.ts';
import type { CountRule } from './counts.ts';
import { dry } from './dry.ts';
import { dynamicTemperature } from './dynamic-temperature.ts';
import { GREEDY_BELOW } from './greedy.ts';
import { logitBias } from './logit-bias.ts';
import { minP } from './min-p.ts';
import { mirostat1, mirostat2 } from './mirostat.ts';
import type { Sampling } from './options.ts';
import type { SamplerName } from './order.ts';
import { penaltiesOf } from './penalties.ts';
import type { Choose, Stage } from './stage.ts';
import { temperature } from './temperature.ts';
import { topK } from './top-k.ts';
import { topNSigma } from './top-n-sigma.ts';
import { topP } from './top-p.ts';
import { typicalP } from './typical-p.ts';
import { xtc } from './xtc.ts';

/** Settings of a device's kernel `sample`, but for what differs from place to place. */
export type DeviceSettings = Omit<SampleRow, 'firstSeen' | 'endSeen' | 'mask' | 'u'>;

/** What a request asks for, as an ordered list of what does something. */
export interface Plan {
  readonly stages: readonly { readonly name: string; readonly apply: Stage }[];
  readonly choose: Choose;
  /** Which ids may come at all; undefined: all. */
  readonly allowed: IdBits | undefined;
  /** Ids that end the text may not come before so many. */
  readonly minTokens: number;
  /** What is counted, where penalties are asked for. */
  readonly counts: CountRule | undefined;
  /**
   * The same for a device's kernel; undefined where it has no such sampler, or not in this order.
   */
  readonly device: DeviceSettings | undefined;
}

/** @param vocabSize ids there are */
export function planOf(sampling: Sampling, vocabSize: number): Plan {
  const penalties = planned(sampling).includes('penalties') ? penaltiesOf(sampling) : undefined;
  const stages: { name: SamplerName | 'logitBias'; apply: Stage }[] = [];
  const add = (name: SamplerName | 'logitBias', apply: Stage | undefined) => {
    if (apply) stages.push({ name, apply });
  };
  add('logitBias', logitBias(sampling.logitBias));
  for (const name of planned(sampling))
    add(name, name === 'penalties' ? penalties?.stage : stageOf[name](sampling));
  return {
    stages,
    choose: chooserOf(sampling),
    allowed: allowedBits(sampling, vocabSize),
    minTokens: sampling.minTokens,
    counts: penalties?.rule,
    device: deviceSettings(
      sampling,
      stages.map(({ name }) => name),
    ),
  };
}

const isGreedy = ({ temperature: value, dynamicTemperatureRange }: Sampling) =>
  value < GREEDY_BELOW && dynamicTemperatureRange === 0;

/** What only changes how probable the best one is, never which it is. */
const keepsBest: readonly SamplerName[] = ['topK', 'topP', 'minP', 'topNSigma'];

/**
 * Mirostat truncates by itself. Where the best one is taken, nothing after the temperature matters.
 */
function planned(sampling: Sampling): readonly SamplerName[] {
  const { samplers } = sampling;
  if (isGreedy(sampling)) {
    const at = samplers.indexOf('temperature');
    const before = at < 0 ? samplers : samplers.slice(0, at);
    return before.filter((name) => !keepsBest.includes(name));
  }
  if (sampling.mirostat === 0) return samplers;
  return samplers.filter((name) => name === 'penalties' || name === 'dry' || name === 'temperature');
}

const stageOf: Readonly<
  Record<Exclude<SamplerName, 'penalties'>, (sampling: Sampling) => Stage | undefined>
> = {
  dry,
  topNSigma: (s) => topNSigma(s.topNSigma),
  temperature: (s) =>
    s.dynamicTemperatureRange > 0
      ? dynamicTemperature(s.temperature, s.dynamicTemperatureRange, s.dynamicTemperatureExponent)
      : temperature(s.temperature),
  topK: (s) => topK(s.topK),
  topP: (s) => topP(s.topP),
  minP: (s) => minP(s.minP),
  typicalP: (s) => typicalP(s.typicalP),
  xtc: (s) => xtc(s.xtcProbability, s.xtcThreshold),
};

function chooserOf(sampling: Sampling): Choose {
  const { mirostat, mirostatTau: target, mirostatEta: rate } = sampling;
  if (isGreedy(sampling)) return argmax;
  if (mirostat === 1) return mirostat1({ target, rate });
  if (mirostat === 2) return mirostat2({ target, rate });
  return (scores, place) => draw(scores, exponentiate(scores), place.uniform('sample'));
}

/** The orders that the kernel has: the temperature before or after what truncates. */
const deviceOrders = [
  { last: false, names: ['penalties', 'temperature', 'topK', 'topP', 'minP'] },
  { last: true, names: ['penalties', 'topK', 'topP', 'minP', 'temperature'] },
] as const;

function deviceSettings(sampling: Sampling, names: readonly string[]): DeviceSettings | undefined {
  if (sampling.mirostat !== 0 || sampling.dynamicTemperatureRange > 0) return undefined;
  const order = deviceOrders.find((each) => isPartOf(names, each.names));
  if (!order) return undefined;
  const has = (name: string) => names.includes(name);
  const counted = has('penalties');
  return {
    temperature: isGreedy(sampling) ? 0 : has('temperature') ? sampling.temperature : 1,
    topK: has('topK') ? sampling.topK : 0,
    topP: has('topP') ? sampling.topP : 1,
    minP: has('minP') ? sampling.minP : 0,
    temperatureLast: order.last,
    repetitionPenalty: counted ? sampling.repetitionPenalty : 1,
    presencePenalty: counted ? sampling.presencePenalty : 0,
    frequencyPenalty: counted ? sampling.frequencyPenalty : 0,
  };
}

/** In the same order, each at most once. */
function isPartOf(names: readonly string[], order: readonly string[]): boolean {
  const places = names.map((name) => order.indexOf(name));
  return places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1]!));
}
