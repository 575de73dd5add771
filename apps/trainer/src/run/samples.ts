import { Engine, type GenerationOptions } from '@cria/inference';
import type { Llama } from '@cria/layers';
import type { Tokenizer } from '@cria/tokenizer';

/** One continuation of a prompt. The cache holds one context and is given back at the end. */
export async function sampleText(
  model: Llama,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerationOptions,
): Promise<string> {
  await using engine = new Engine({
    model,
    tokenizer,
    maxSequences: 1,
    maxBatchRows: Math.min(256, model.config.contextLength),
  });
  // Whole text: samples are printed between progress lines, where half of one would be torn apart.
  let text = '';
  for await (const chunk of engine.generate({ prompt, ...options })) text += chunk.text;
  return text;
}
