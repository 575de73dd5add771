import type { Case, CaseOptions } from '../case.ts';
import { activationCases } from './activation.ts';
import { attentionCases } from './attention.ts';
import { crossEntropyCases } from './cross-entropy.ts';
import { elementwiseCases } from './elementwise.ts';
import { linearCases } from './linear.ts';
import { normCases } from './norm.ts';
import { optimizerCases } from './optimizer.ts';
import { rowCases } from './rows.ts';

/** Every kernel over odd sizes, with every option and every aliasing that the contract allows. */
export function kernelCases(options: CaseOptions): Case[] {
  return [
    ...linearCases(options),
    ...rowCases(options),
    ...normCases(),
    ...activationCases(),
    ...attentionCases(),
    ...crossEntropyCases(),
    ...elementwiseCases(options),
    ...optimizerCases(),
  ];
}
