import type { Case, CaseOptions } from '../case.ts';
import { activationCases } from './activation.ts';
import { attentionCases } from './attention.ts';
import { crossEntropyCases } from './cross-entropy.ts';
import { elementwiseCases } from './elementwise.ts';
import { linearCases } from './linear.ts';
import { normCases } from './norm.ts';
import { optimizerCases } from './optimizer.ts';
import { rowCases } from './rows.ts';
import { sampleCases } from './sample.ts';
import { vocabularyPartCases } from './vocabulary-part.ts';

/** Every kernel over odd sizes, with every option and every aliasing that the contract allows. */
export function kernelCases(options: CaseOptions): Case[] {
  const cases = [
    ...linearCases(options),
    ...rowCases(options),
    ...normCases(),
    ...activationCases(),
    ...attentionCases(),
    ...sampleCases(),
    ...crossEntropyCases(options),
    ...vocabularyPartCases(),
    ...elementwiseCases(options),
    ...optimizerCases(),
  ];
  return options.shapes === 'one' ? oneShapeEach(cases) : cases;
}

/** Sizes in a case's name; digits of dtypes and the number of a step are none. */
const SIZES = /(?<![a-z_]\d?|step )\d[\d., ]*/g;

/**
 * Of the cases that differ in sizes alone, one: in the middle, where there are whole tiles and
 * tails, or the next with a last odd size.
 */
function oneShapeEach(cases: readonly Case[]): Case[] {
  const kinds = new Map<string, Case[]>();
  for (const each of cases) {
    const kind = `${each.kernel} ${each.name.replace(SIZES, '#')}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), each]);
  }
  const odd = ({ name }: Case) => Number(name.match(SIZES)?.at(-1)?.match(/\d+/g)?.at(-1) ?? 0) % 2 === 1;
  return [...kinds.values()].map((alike) => {
    const upper = alike.slice(alike.length >> 1);
    return upper.find(odd) ?? upper[0];
  });
}
