import { basename } from 'node:path';
import { defaultFilters, type SourceOptions } from '@cria/data';
import { fail } from '@cria/tensor';
import type { Config } from './schema.ts';

/**
 * What `cria start` trains on where nothing is said: the code and the prose of the checkout it
 * stands in, and of what is installed there.
 */
export const checkoutSources: Config['data']['sources'] = [
  {
    name: 'workspace',
    paths: ['.'],
    extensions: ['ts', 'tsx', 'mts', 'js', 'mjs', 'cjs', 'jsx', 'md'],
    max_bytes: 8_000_000,
  },
  {
    name: 'dependencies',
    paths: ['node_modules'],
    extensions: ['ts', 'mts', 'cts', 'js', 'mjs', 'cjs', 'md'],
    max_bytes: 40_000_000,
  },
];

/**
 * Minified code, and what programs of a workspace write beside its sources, are no text to learn
 * from.
 */
const excludeAmongSources = ['*.min.js', '*.min.mjs', 'dist', 'build', 'runs', 'coverage', 'docs/api'];
/**
 * Among dependencies `dist` is the text; links back into the workspace would count its own packages
 * again.
 */
const excludeAmongDependencies = ['*.min.js', '*.min.mjs', '@cria'];

/** The sources of a configuration, as the data package takes them. */
export function sourcesOf({ data }: Config): SourceOptions[] {
  if (data.sources.length === 0)
    fail('config', 'data.sources is empty.', 'name files or folders: --data ./my-texts');
  const names = new Set<string>();
  return data.sources.map((source) => {
    const name = unique(source.name ?? basename(source.paths[0]!), names);
    return {
      name,
      paths: source.paths,
      maxFileBytes: data.max_file_bytes,
      exclude: source.paths.some((path) => path.includes('node_modules'))
        ? excludeAmongDependencies
        : excludeAmongSources,
      ...(source.weight === undefined ? {} : { weight: source.weight }),
      ...(source.extensions === undefined ? {} : { extensions: source.extensions }),
      ...(source.max_bytes === undefined ? {} : { maxBytes: source.max_bytes }),
      ...(data.filter_code ? {} : { filters: defaultFilters.text }),
      ...textField(source.text_field ?? data.text_field),
    };
  });
}

/** Options of the library are absent where nothing is said. */
function textField(name: string | undefined): { textField?: string } {
  return name === undefined ? {} : { textField: name };
}

/** A name that shards can have, and that no other source has. */
function unique(wanted: string, taken: Set<string>): string {
  const base = wanted.replace(/[^\w.-]+/g, '-').replace(/^[.-]+|[.-]+$/g, '') || 'text';
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  taken.add(name);
  return name;
}
