import type { TensorInfo } from '../checkpoint.ts';

/*
 * LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors` with
 * `base_model.model.NAME.lora_A.weight` [r, in] and `lora_B.weight` [out, r].
 * y = W x + scale · B A x, scale = alpha / r (alpha / √r with rsLoRA). Rows of B follow the rows of
 * W, so for wq and wk they change their order with it.
 */

/** A and B of one weight, in Meta's row order. */
export interface LoraFactors {
  /** [r, in] */
  readonly a: Float32Array;
  /** [out, r] */
  readonly b: Float32Array;
  readonly rank: number;
  /** Factor of B·A. */
  readonly scale: number;
}

export interface LoraAdapter {
  /** By the canonical name of the weight that is adapted. */
  readonly factors: ReadonlyMap<string, LoraFactors>;
  /**
   * Weights that were trained as a whole and take the place of the base's (`modules_to_save`), by
   * canonical name.
   */
  readonly saved: ReadonlyMap<string, TensorInfo>;
  /** Rank and alpha of the weights for which no pattern says otherwise. */
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly rankStabilized: boolean;
  /** `base_model_name_or_path`. */
  readonly base: string | undefined;
}

export const CONFIG_FILE = 'adapter_config.json';
export const WEIGHTS_FILE = 'adapter_model.safetensors';
/** Where peft put them before it wrote safetensors. */
export const TORCH_WEIGHTS_FILE = 'adapter_model.bin';
export const PREFIX = 'base_model.model.';

/** alpha / r, or alpha / √r with rsLoRA. */
export function loraScale(alpha: number, rank: number, rankStabilized: boolean): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}
