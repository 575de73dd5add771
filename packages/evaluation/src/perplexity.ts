import type { Llama } from '@cria/layers';
import { fail, openStep } from '@cria/tensor';
import type { Tokenizer } from '@cria/tokenizer';

export interface Perplexity {
  /** exp of the mean loss of a token. */
  readonly perplexity: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
}

/** Longest window; more would need much memory and change little. */
const LONGEST = 512;

/**
 * Perplexity of a text under a model as it generates, packed and quantised weights included: in
 * windows of at most 512 tokens that do not overlap, each beginning with BOS where the vocabulary
 * has one. Sums in double precision.
 */
export async function perplexity(model: Llama, tokenizer: Tokenizer, text: string): Promise<Perplexity> {
  const ids = tokenizer.encode(text);
  const window = Math.min(LONGEST, model.config.contextLength);
  const bos = tokenizer.bosId === undefined ? [] : [tokenizer.bosId];
  let [loss, tokens] = [0, 0];
  for (let at = 0; at < ids.length; at += window - bos.length) {
    const piece = [...bos, ...ids.slice(at, at + window - bos.length)];
    if (piece.length < 2) break;
    const targets = piece.slice(1);
    using step = openStep(model.device, { rows: targets.length });
    const hidden = model.forward(model.tokens(piece.slice(0, -1), step), step);
    const logits = await model.logits(hidden, step).toFloat32();
    const width = logits.length / targets.length;
    for (const [row, target] of targets.entries())
      loss += crossEntropy(logits.subarray(row * width, (row + 1) * width), target);
    tokens += targets.length;
  }
  if (tokens === 0) fail('perplexity', 'the text has fewer than two tokens.', 'give a longer text');
  return { perplexity: Math.exp(loss / tokens), tokens };
}

/** log Σ exp(logits) − logits[target] */
function crossEntropy(logits: Float32Array, target: number): number {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum) - (logits[target] ?? NaN);
}
