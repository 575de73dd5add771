import { checkOptions, fail } from '@cria/tensor';
import { defaultFilters } from './filters.ts';
import type { PrepareOptions, SourceOptions } from './options.ts';
import { MAX_SHARD_TOKENS } from './shard-format.ts';

const op = 'prepare';
const SOURCE_FIELDS = [
  'name',
  'paths',
  'weight',
  'extensions',
  'include',
  'exclude',
  'nodeModules',
  'maxBytes',
  'maxFileBytes',
  'textField',
  'filters',
] as const satisfies readonly (keyof SourceOptions)[];
const FIELDS = [
  'sources',
  'tokenizer',
  'out',
  'seed',
  'validationShare',
  'maxDocumentLength',
  'maxShardTokens',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof PrepareOptions)[];

/** Refuses what cannot work, before anything is read. */
export function checkPrepareOptions(options: PrepareOptions): void {
  checkOptions(op, options, FIELDS);
  const {
    sources,
    tokenizer,
    seed = 0,
    validationShare = 0.01,
    maxDocumentLength = 65536,
    maxShardTokens = 1,
  } = options;
  if (sources.length === 0) fail(op, 'there are no sources.', 'give at least one: { name, paths }');
  for (const source of sources) checkSource(source);
  const names = sources.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) fail(op, `two sources are called "${twice}".`, 'names must differ');
  const unweighted = sources.find(({ weight }) => weight === undefined);
  const weighted = sources.find(({ weight }) => weight !== undefined);
  if (weighted && unweighted)
    fail(
      op,
      `source "${weighted.name}" has a weight, "${unweighted.name}" has none.`,
      'give a weight to all sources or to none',
    );
  if (!Number.isSafeInteger(seed) || seed < 0) fail(op, `seed is ${seed}.`, 'give a whole number from 0');
  if (!(validationShare >= 0 && validationShare <= 0.5))
    fail(op, `validationShare is ${validationShare}.`, 'give a share from 0 to 0.5');
  if (!Number.isSafeInteger(maxDocumentLength) || maxDocumentLength < 16)
    fail(op, `maxDocumentLength is ${maxDocumentLength}.`, 'give a whole number from 16');
  if (!Number.isSafeInteger(maxShardTokens) || maxShardTokens < 1 || maxShardTokens > MAX_SHARD_TOKENS) {
    fail(op, `maxShardTokens is ${maxShardTokens}.`, `give a whole number from 1 to ${MAX_SHARD_TOKENS}`);
  }
  if (tokenizer.bosId === undefined && tokenizer.eosId === undefined) {
    fail(
      op,
      'the tokenizer has neither BOS nor EOS.',
      'documents could not be told apart: use a tokenizer with one of them',
    );
  }
}

function checkSource(source: SourceOptions): void {
  checkOptions(`${op}.sources`, source, SOURCE_FIELDS);
  const { name, paths, weight = 1, maxBytes = 1, maxFileBytes = 1, filters = {} } = source;
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name))
    fail(op, `"${name}" is no name for a source.`, 'use letters, digits, ".", "_" and "-"');
  if (paths.length === 0) fail(op, `source "${name}" has no paths.`, 'name files or folders');
  if (!(Number.isFinite(weight) && weight >= 0))
    fail(op, `source "${name}" has weight ${weight}.`, 'give a number from 0');
  for (const [field, value] of Object.entries({ maxBytes, maxFileBytes })) {
    if (!(value >= 1)) fail(op, `source "${name}" has ${field} ${value}.`, 'give a number of bytes from 1');
  }
  checkOptions(`${op}.filters`, filters, Object.keys(defaultFilters.code));
}
