import type { Llama3Scaling, LlamaConfig } from '@cria/layers';
import { fail } from '@cria/tensor';

/**
 * The scaling of a configuration for a format that has Llama 3.1's kind only; undefined where there
 * is none.
 */
export function llama3Scaling(op: string, { ropeScaling }: LlamaConfig): Llama3Scaling | undefined {
  if (!ropeScaling) return undefined;
  if ((ropeScaling.type ?? 'llama3') === 'llama3' && ropeScaling.attentionFactor === undefined)
    return ropeScaling as Llama3Scaling; // by its type, which may be absent
  return fail(op, `RoPE scaling of type ${ropeScaling.type} has no place in this format.`);
}
