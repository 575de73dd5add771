import { keepTopK } from '@cria/tensor';
import type { Stage } from './stage.ts';

/** The k largest, and everything equal to the smallest of them; 0 keeps all. */
export function topK(k: number): Stage | undefined {
  return k === 0 ? undefined : (scores) => keepTopK(scores, k);
}
