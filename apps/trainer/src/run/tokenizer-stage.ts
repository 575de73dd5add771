import { readTexts } from '@cria/data';
import { SentencePieceTrainer, type Tokenizer } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';
import type { Context } from '../command.ts';
import { vocabSizeOf } from '../config/model.ts';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/sources.ts';
import { bytes, count, duration } from '../show/format.ts';
import { Progress } from '../show/progress.ts';
import { keepTokenizer, openRunTokenizer } from './run-tokenizer.ts';

/**
 * The run's tokenizer: the one it has, a copy of the one it was given, or one trained on its texts.
 * Undefined when it was stopped.
 */
export async function tokenizerStage(
  config: Config,
  folder: string,
  context: Context,
  signal: AbortSignal,
): Promise<Tokenizer | undefined> {
  const kept = await openRunTokenizer(folder);
  if (kept) return kept;
  const given = config.tokenizer.path;
  const tokenizer =
    given === undefined ? await trainTokenizer(config, context, signal) : await loadTokenizer(given);
  if (tokenizer) await keepTokenizer(folder, tokenizer, given);
  return tokenizer;
}

/** Trains a SentencePiece BPE vocabulary on the configured sources. Undefined when it was stopped. */
export async function trainTokenizer(
  config: Config,
  { out, now }: Context,
  signal: AbortSignal,
): Promise<Tokenizer | undefined> {
  const start = now();
  const vocabSize = vocabSizeOf(config);
  const progress = new Progress(out, 'tokenizer', now);
  const trainer = new SentencePieceTrainer({ vocabSize });
  const most = config.tokenizer.max_bytes;
  let read = 0;
  try {
    for await (const text of readTexts(sourcesOf(config), { seed: config.run.seed, maxBytes: most })) {
      if (signal.aborted) return undefined;
      trainer.add(text);
      read += text.length; // UTF-16 units, near enough to bytes for a bar
      // Reading and merging take about as long as each other, so each gets half of the bar.
      progress.draw(Math.min(0.5, (read / most) * 0.5), `${bytes(read)} read`);
    }
    const tokenizer = trainer.finish(({ phase, done, total }) => {
      if (phase === 'merging') progress.draw(0.5 + (0.5 * done) / (total ?? vocabSize), `${done} pieces`);
    });
    progress.end(
      `tokenizer  ${count(tokenizer.vocabSize)} pieces from ${bytes(read)} of text in ${duration(now() - start)}`,
    );
    return tokenizer;
  } finally {
    progress.end();
  }
}
