import { countParameters, type LlamaConfig } from '@cria/layers';

/**
 * Floating-point operations a trained token takes in the model's mathematics: 6·N + 12·L·T·D, N all
 * parameters with a tied embedding counted once, attention counted over the full square (the
 * convention of PaLM and Megatron; recomputation is not counted).
 */
export function flopsPerToken(config: LlamaConfig, contextLength: number): number {
  const attentionWidth = config.nHeads * config.headDim;
  return 6 * countParameters(config) + 12 * config.nLayers * contextLength * attentionWidth;
}
