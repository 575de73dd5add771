import type { Checkpoint } from '@cria/checkpoint';
import { Llama } from '@cria/layers';
import { type Device, fail } from '@cria/tensor';
import type { AnyTokenizer } from './tokenizer-input.ts';

/** Longest window, in tokens; more would need much memory and change little. */
const LONGEST = 512;

/** exp of the mean loss of a text in windows that do not overlap, each beginning with BOS. */
export async function perplexity(
  checkpoint: Checkpoint,
  tokenizer: AnyTokenizer,
  text: string,
  device: Device,
): Promise<number> {
  const model = new Llama(checkpoint.config, { device });
  model.parameters.allocate();
  try {
    await checkpoint.load(model.parameters);
    const ids = tokenizer.encode(text);
    const window = Math.min(LONGEST, checkpoint.config.contextLength);
    let [sum, count] = [0, 0];
    for (let at = 0; at < ids.length; at += window - 1) {
      const piece = [
        ...(tokenizer.bosId === undefined ? [] : [tokenizer.bosId]),
        ...ids.slice(at, at + window - 1),
      ];
      if (piece.length < 2) break;
      using step = device.step({ rows: piece.length - 1 });
      const losses = await model
        .loss(model.tokens(piece.slice(0, -1), step), model.targets(piece.slice(1), step), step)
        .toFloat32();
      for (const loss of losses) sum += loss;
      count += losses.length;
    }
    if (count === 0) fail('cria convert', 'the text for --perplexity has no tokens.', 'give a longer text');
    return Math.exp(sum / count);
  } finally {
    model.parameters.free();
  }
}
