import type { Llama } from '@cria/layers';
import type { Tokenizer } from '@cria/tokenizer';
import type { Usage } from '../sequence/results.ts';
import { Engine } from './engine.ts';
import type { FinishReason, GenerationChunk } from './output.ts';
import type { GenerationOptions, GenerationRequest } from './text-request.ts';

export interface GeneratedText {
  readonly text: string;
  /** Generated ids, the end-of-text token included. */
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: Usage;
}

export interface GenerateOptions extends GenerationOptions {
  /** Called with each piece of the text as it comes. */
  readonly onText?: (text: string) => void;
  /** Ids that end a text: `stopIds` of `openModel`. Default the tokenizer's EOS. */
  readonly eosIds?: readonly number[];
}

/**
 * One prompt, one text; for more, and for requests that come while others run, keep an `Engine`.
 * Takes a cache of one context.
 * @throws RequestError for anything wrong with the options, the signal's reason when it aborts
 */
export async function generate(
  model: Llama,
  tokenizer: Tokenizer,
  prompt: GenerationRequest['prompt'],
  options: GenerateOptions = {},
): Promise<GeneratedText> {
  const { onText, eosIds, ...rest } = options;
  const ends = eosIds === undefined ? {} : { eosIds };
  await using engine = new Engine({ model, tokenizer, ...ends, maxSequences: 1, maxWaiting: 0 });
  return await collect(engine.generate({ ...rest, prompt }), onText);
}

/** Reads a generation to its end. */
export async function collect(
  chunks: AsyncIterable<GenerationChunk>,
  onText?: (text: string) => void,
): Promise<GeneratedText> {
  let text = '';
  const ids: number[] = [];
  let last: { finishReason: FinishReason; usage: Usage } | undefined;
  for await (const chunk of chunks) {
    text += chunk.text;
    ids.push(...chunk.ids);
    if (chunk.text !== '') onText?.(chunk.text);
    if (chunk.finishReason) last = { finishReason: chunk.finishReason, usage: chunk.usage };
  }
  if (!last)
    throw new Error(
      '[collect] the generation ended without a reason. hint: it was cancelled by its own reader',
    );
  return { text, ids, ...last };
}
