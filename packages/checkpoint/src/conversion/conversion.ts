import { type ComputeDType, fail } from '@cria/tensor';
import type { GgufEntry } from '@cria/tokenizer';
import type { Checkpoint, TensorInfo } from '../checkpoint.ts';
import { tensorNames } from '../families.ts';
import type { Quantizer } from '../quantizer.ts';
import type { WeightForm, WeightReport } from '../weight-form.ts';

export const targets = ['hf', 'meta', 'gguf', 'llama2c'] as const;
export type ConversionTarget = (typeof targets)[number];

/** The vocabulary in the forms that targets want; @cria/tokenizer makes them. */
export interface Vocabulary {
  /** Files beside the weights: `tokenizer.model`, `tokenizer.json`, … */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** `tokenizer.ggml.*` for GGUF. */
  readonly gguf: ReadonlyMap<string, GgufEntry>;
}

export interface ConvertOptions {
  readonly to: ConversionTarget;
  /**
   * Type of the weights. Default: as they are stored; blocks become f32. A llama2.c file has f32
   * only.
   */
  readonly dtype?: ComputeDType;
  /** A mix of `llama-quantize`, for GGUF: q8_0, q4_0, q4_k_m, … */
  readonly quantize?: string;
  /** Meta: the model-parallel degree. Hugging Face: files of weights. Default 1. */
  readonly shards?: number;
  /** Default: the plain TypeScript quantisers. */
  readonly quantizer?: Quantizer;
  /**
   * Mean squared activations by canonical name, one number a column: errors of blocks are weighed
   * by them.
   */
  readonly importance?: ReadonlyMap<string, Float32Array>;
  readonly vocabulary?: Vocabulary;
  /** Told about every weight once it is written. */
  readonly onWeight?: (report: WeightReport) => void;
}

/** A conversion's parts, for the targets. */
export interface Conversion {
  readonly op: string;
  readonly source: Checkpoint;
  readonly options: ConvertOptions;
  /** Name of the output file or folder. */
  readonly name: string;
  /** The type a weight gets where no mix says otherwise. */
  floatDType(weight: TensorInfo): ComputeDType;
  chunks(weight: TensorInfo, form: WeightForm): AsyncGenerator<Uint8Array>;
}

/**
 * The weights that a model of this configuration has, in the order of its layers; the output matrix
 * of a tied model is left out.
 */
export function weightsInOrder({ op, source }: Conversion): TensorInfo[] {
  const { config, tensors, path } = source;
  const names = tensorNames(config);
  const missing = names.filter((name) => !tensors.has(name));
  const known = new Set([...names, 'output.weight']);
  const unknown = [...tensors.keys()].filter((name) => !known.has(name));
  if (missing.length + unknown.length > 0) {
    const list = (all: readonly string[]) => all.slice(0, 5).join(', ') + (all.length > 5 ? ', …' : '');
    fail(
      op,
      `${path} is not a whole LLaMA: ${missing.length} tensors missing (${list(missing)}), ` +
        `${unknown.length} unknown (${list(unknown)}).`,
    );
  }
  return names.flatMap((name) => tensors.get(name) ?? []);
}
