import { keepTopP } from '@cria/tensor';
import type { Stage } from './stage.ts';

/**
 * The most probable that together reach p (Holtzman et al. 2020), the lower ids of equals first.
 */
export function topP(p: number): Stage | undefined {
  return p === 1 ? undefined : (scores) => keepTopP(scores, p);
}
