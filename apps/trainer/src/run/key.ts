import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { findFiles } from '@cria/data';
import type { Config } from '../config/schema.ts';
import { sourcesOf } from '../config/sources.ts';

/**
 * Names a run by what makes it: the configuration, but for where it lies, what computes it and how
 * much of it is kept, and the files of the data by path, size and time of change (reading them all
 * would take longer than finding a finished run should).
 */
export function runKey(config: Config): string {
  const { folder: _folder, device: _device, threads: _threads, ...run } = config.run;
  const { keep_last: _keepLast, keep_every: _keepEvery, ...training } = config.training;
  const hash = createHash('sha256').update(JSON.stringify({ ...config, run, training }, inNameOrder));
  for (const source of sourcesOf(config)) {
    hash.update(`\n${source.name}\n`);
    for (const { path, relative, bytes } of findFiles(source, config.run.seed)) {
      hash.update(`${relative} ${bytes} ${statSync(path).mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

/**
 * For JSON.stringify: fields by name, so that the order in which settings were given does not
 * matter.
 */
function inNameOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
