import { keepMinP } from '@cria/tensor';
import type { Stage } from './stage.ts';

/** Those at least p times as probable as the most probable one (Nguyen et al. 2024). */
export function minP(p: number): Stage | undefined {
  return p === 0 ? undefined : (scores) => keepMinP(scores, p);
}
