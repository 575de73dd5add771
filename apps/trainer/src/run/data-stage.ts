import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type PreparedSource, prepare, TokenDataset } from '@cria/data';
import type { Tokenizer } from '@cria/tokenizer';
import type { Context } from '../command.ts';
import { contextLengthOf } from '../config/model.ts';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/sources.ts';
import { bytes, count, duration } from '../show/format.ts';
import { Progress } from '../show/progress.ts';
import { runPaths } from './run-file.ts';

/**
 * The run's token shards, prepared once. Returns their fingerprint, undefined when it was stopped.
 */
export async function dataStage(
  config: Config,
  folder: string,
  tokenizer: Tokenizer,
  context: Context,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { data } = runPaths(folder);
  // The manifest is written last, so a folder that has one is whole. Opening it compares the
  // tokenizer.
  if (existsSync(join(data, 'manifest.json'))) {
    const open = {
      split: 'train',
      contextLength: contextLengthOf(config),
      tokenizerFingerprint: tokenizer.fingerprint,
    } as const;
    using dataset = await TokenDataset.open(data, open);
    return dataset.fingerprint;
  }
  return prepareData(config, data, tokenizer, context, signal);
}

/**
 * Reads, cleans and tokenises the configured sources into `out`. Returns the fingerprint, undefined
 * when it was stopped.
 */
export async function prepareData(
  config: Config,
  out: string,
  tokenizer: Tokenizer,
  context: Context,
  signal: AbortSignal,
): Promise<string | undefined> {
  const start = context.now();
  const progress = new Progress(context.out, 'data', context.now);
  try {
    const result = await prepare({
      sources: sourcesOf(config),
      tokenizer,
      out,
      seed: config.run.seed,
      validationShare: config.data.validation_share,
      signal,
      onProgress: ({ files, totalFiles, tokens }) =>
        progress.draw(files / totalFiles, `${files}/${totalFiles} files, ${count(tokens)} tokens`),
    });
    progress.end();
    for (const source of result.sources) context.out.write(`${describeSource(source)}\n`);
    context.out.write(`           prepared in ${duration(context.now() - start)}\n`);
    return result.fingerprint;
  } catch (error) {
    // What was under way is gone: the dataset appears as a whole or not at all.
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    progress.end();
  }
}

/** One line a source. What the byte limit left out is no news: it was asked for. */
function describeSource({ name, train, validation, report }: PreparedSource): string {
  const dropped = Object.entries(report.dropped)
    .filter(([reason]) => reason !== 'over the byte limit')
    .map(([reason, tally]) => `${tally?.count} ${reason}`);
  const kept =
    `${count(train.tokens)} tokens to train on, ${count(validation.tokens)} held out, ` +
    `from ${bytes(report.kept.bytes)}`;
  return `data       ${name}: ${kept}${dropped.length > 0 ? `; left out ${dropped.join(', ')}` : ''}`;
}
