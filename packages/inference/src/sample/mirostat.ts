import { draw, keepTopK } from '@cria/tensor';
import { probabilitiesOf } from './probabilities.ts';
import type { Choose, Place } from './stage.ts';

/*
 * Mirostat (Basu et al. 2021): truncation that keeps the surprise −log₂ p of the chosen tokens near
 * a target. μ, the most surprise that is let through, starts at twice the target and moves by
 * `rate` times the error after each token.
 */

interface Settings {
  /** τ, bits. */
  readonly target: number;
  /** η. */
  readonly rate: number;
}

/** Tokens from which the exponent of Zipf's law is estimated, as in the paper. */
const ESTIMATED_FROM = 100;

/** Version 1: keeps as many tokens as Zipf's law says have less surprise than μ. */
export function mirostat1(settings: Settings): Choose {
  return (scores, place) => {
    const bound = boundAt(place, settings);
    keepTopK(scores, tokensBelow(bound, probabilitiesOf(scores)));
    return chosen(scores, place, bound, settings);
  };
}

/** Version 2: keeps the tokens with at most μ of surprise, the most probable one always. */
export function mirostat2(settings: Settings): Choose {
  return (scores, place) => {
    const bound = boundAt(place, settings);
    const probabilities = probabilitiesOf(scores);
    const most = probabilities.reduce((a, b) => Math.max(a, b));
    for (let i = 0; i < scores.length; i++) {
      const p = probabilities[i]!;
      if (-Math.log2(p) > bound && p < most) scores[i] = -Infinity;
    }
    return chosen(scores, place, bound, settings);
  };
}

const generatedAt = ({ history }: Place) => history.ids.length - history.promptLength;

function boundAt(place: Place, { target }: Settings): number {
  return place.state.surpriseAt(generatedAt(place), 2 * target);
}

/** Draws from what is left, and moves μ by the surprise of that among it. */
function chosen(scores: Float64Array, place: Place, bound: number, { target, rate }: Settings): number {
  const probabilities = probabilitiesOf(scores);
  const id = draw(
    probabilities,
    probabilities.reduce((a, b) => a + b),
    place.uniform('sample'),
  );
  const error = -Math.log2(probabilities[id]!) - target;
  place.state.setSurprise(generatedAt(place) + 1, bound - rate * error);
  return id;
}

/**
 * k = ((s − 1) · 2^μ / (1 − N^−(s − 1)))^(1 / s), where s is the slope of log p over log rank among
 * the most probable tokens; at least 1.
 */
function tokensBelow(bound: number, probabilities: Float64Array): number {
  const best = probabilities.filter((p) => p > 0).sort();
  const ranked = best.subarray(-ESTIMATED_FROM).toReversed();
  let products = 0;
  let squares = 0;
  for (let i = 0; i + 1 < ranked.length; i++) {
    const distance = Math.log((i + 2) / (i + 1));
    products += distance * Math.log(ranked[i]! / ranked[i + 1]!);
    squares += distance * distance;
  }
  const s = products / squares;
  const e = s - 1;
  // As s goes to 1 the quotient goes to 1 / log N.
  const share = e === 0 ? 1 / Math.log(probabilities.length) : e / (1 - probabilities.length ** -e);
  const k = Math.floor((share * 2 ** bound) ** (1 / s));
  return k >= 1 ? Math.min(k, probabilities.length) : 1;
}
