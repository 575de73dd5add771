import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SpecialIds } from '../checkpoint.ts';
import { readJson } from '../json-file.ts';
import { readSpecialIds } from './config.ts';
import { checkRecord } from './fields.ts';

export const GENERATION_FILE = 'generation_config.json';

/**
 * The ids of a folder whose `config.json` names `ids`: `generation_config.json` beside it may name
 * others. Both are in use: instruction-tuned models say only there what ends a turn, and base
 * models only in `config.json` what ends a text. The first of all ends of a text is that of
 * `config.json`; BOS and padding are those of the generation config where it has them.
 */
export async function withGenerationConfig(folder: string, ids: SpecialIds): Promise<SpecialIds> {
  const path = join(folder, GENERATION_FILE);
  if (!existsSync(path)) return ids;
  const named = readSpecialIds(path, checkRecord(path, 'it', await readJson('openCheckpoint', path)));
  return {
    bos: named.bos ?? ids.bos,
    eos: [...new Set([...ids.eos, ...named.eos])],
    pad: named.pad ?? ids.pad,
  };
}

/**
 * `generation_config.json`: the special ids once more, where transformers' `generate` looks for
 * them.
 */
export function generationConfig({ bos, eos = [], pad }: Partial<SpecialIds>): Record<string, unknown> {
  return {
    _from_model_config: true,
    ...(bos === undefined ? {} : { bos_token_id: bos }),
    ...(eos.length === 0 ? {} : { eos_token_id: eos.length > 1 ? eos : eos[0] }),
    ...(pad === undefined ? {} : { pad_token_id: pad }),
  };
}
