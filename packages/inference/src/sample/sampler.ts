import { argmax, fail, hashName, keepMasked, maxOf, SAMPLE_FAULTS, uniform } from '@cria/tensor';
import { type IdBits, joined } from './allowed-ids.ts';
import { Counts } from './counts.ts';
import type { DeviceRow } from './device-sampler.ts';
import type { Sampling } from './options.ts';
import { type Plan, planOf } from './plan.ts';
import type { History, Place } from './stage.ts';
import { TextState } from './text-state.ts';

/** What a text says of its next token besides its sampling options. */
export interface Rules {
  /**
   * Ids that may come, as a constraint fills them in; default all. Looked at before everything
   * else.
   */
  readonly mask?: IdBits | undefined;
  /** Ids that end the text, for `minTokens`. Default none. */
  readonly endIds?: Iterable<number> | undefined;
}

/** What it comes to at one place. */
export interface Prepared {
  readonly plan: Plan;
  readonly place: Place;
  readonly mask: IdBits | undefined;
}

/**
 * Chooses tokens, in plain TypeScript; holds the scratch for one row of scores, so one of them
 * serves any number of texts in turn. What it keeps of a text goes with the text's history.
 */
export class Sampler {
  /** Ids that are chosen from. */
  readonly vocabSize: number;
  readonly #scores: Float64Array;
  readonly #plans = new WeakMap<Sampling, Plan>();
  readonly #states = new WeakMap<History, { readonly plan: Plan; readonly state: TextState }>();

  constructor(vocabSize: number) {
    this.vocabSize = vocabSize;
    this.#scores = new Float64Array(vocabSize);
  }

  /**
   * The id that follows `history`, of which only the ids, their number and the request's seed matter.   logits: [V]
   * @throws CriaError where the logits are NaN or infinite, or nothing may come; −Infinity is a
   * token that never comes
   */
  sample(logits: ArrayLike<number>, sampling: Sampling, history: History, rules: Rules = {}): number {
    const scores = this.#scores;
    scores.set(logits);
    // Before the stages: they rely on it, and keep it so.
    const largest = scores[argmax(scores)] ?? NaN;
    if (!Number.isFinite(largest)) refuse(largest);
    const { plan, place, mask } = this.prepare(sampling, history, rules);
    if (mask) keepMasked(scores, mask);
    if (mask && maxOf(scores) === -Infinity) refuse();
    for (const { apply } of plan.stages) apply(scores, place);
    return plan.choose(scores, place);
  }

  /** What there is to do for the next token of a text, here or on a device. */
  prepare(sampling: Sampling, history: History, { mask, endIds = [] }: Rules): Prepared {
    const plan = this.#planOf(sampling);
    const state = this.#stateOf(history, plan);
    state.follow(history);
    const position = history.ids.length;
    const ending = position - history.promptLength < plan.minTokens ? endIds : [];
    return {
      plan,
      place: { history, state, uniform: (name) => drawn(sampling, name, position) },
      mask: joined([mask, plan.allowed], ending, this.vocabSize),
    };
  }

  /**
   * The same for a device's kernel: for the next place of a text and for those behind it, whatever
   * ids will be between. Undefined where the kernel cannot do it, or where those ids would matter.
   */
  deviceRows(sampling: Sampling, history: History, rules: Rules, count: number): DeviceRow[] | undefined {
    const { device: settings, counts: counted, minTokens } = this.#planOf(sampling);
    const { length } = history.ids;
    const early = length - history.promptLength < minTokens;
    if (!settings || (count > 1 && (counted || rules.mask || early))) return undefined;
    const { place, mask } = this.prepare(sampling, history, rules);
    const { counts } = place.state;
    return Array.from({ length: count }, (_, i) => {
      return { settings, counts, mask, u: drawn(sampling, 'sample', length + i) };
    });
  }

  #planOf(sampling: Sampling): Plan {
    const plan = this.#plans.get(sampling) ?? planOf(sampling, this.vocabSize);
    this.#plans.set(sampling, plan);
    return plan;
  }

  #stateOf(history: History, plan: Plan): TextState {
    const known = this.#states.get(history);
    if (known?.plan === plan) return known.state;
    const state = new TextState(plan.counts && new Counts(plan.counts));
    this.#states.set(history, { plan, state });
    return state;
  }
}

/** By counter: whoever draws, and whenever, gets the same number. */
function drawn({ seed, stream }: Sampling, name: string, position: number): number {
  return uniform({ seed, stream: (hashName(`inference.${name}`) ^ stream) >>> 0, start: position });
}

/**
 * @throws CriaError for a row without an id to choose; `largest` of its logits, where that is why
 */
function refuse(largest?: number): never {
  if (largest !== undefined)
    fail(
      'sampler',
      `the largest logit is ${largest}.`,
      'the weights, or the arithmetic they run in, overflow',
    );
  fail(
    'sampler',
    'the model gives no chance to any id that may come.',
    'allow more ids, or give a constraint that has a way on',
  );
}

/** An id that a device's kernel chose. @throws CriaError where it says that there was none */
export function checkChosen(id: number): number {
  if (id >= 0) return id;
  if (id === SAMPLE_FAULTS.masked) refuse();
  return refuse(id === SAMPLE_FAULTS.infinity ? Infinity : id === SAMPLE_FAULTS.nothing ? -Infinity : NaN);
}
