// Writes docs/api from the sources: one folder of markdown a package, and the sidebar that lists them.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Converter, ReflectionKind } from 'typedoc';
import { root, rooms } from '../../scripts/lib/workspace.mjs';

/** Public entry points of every package: import specifier by source file. */
function entryPoints() {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const room of rooms().filter(({ kind }) => kind === 'packages')) {
    const { exports } = JSON.parse(readFileSync(join(room.folder, 'package.json'), 'utf8'));
    for (const [subpath, target] of Object.entries(exports)) {
      const source = target['@cria/source'];
      if (typeof source !== 'string') continue;
      const file = join(room.folder, source);
      if (existsSync(file)) found.set(file, room.manifest.name + subpath.slice(1));
    }
  }
  return found;
}

const entries = entryPoints();
const out = join(root, 'docs/api');
rmSync(out, { recursive: true, force: true });

const app = await Application.bootstrapWithPlugins(
  /** @type {Partial<import('typedoc').TypeDocOptions>} */ ({
    name: 'API',
    out,
    entryPoints: [...entries.keys()],
    tsconfig: join(root, 'docs/tsconfig.api.json'),
    plugin: [fileURLToPath(import.meta.resolve('typedoc-plugin-markdown'))],
    readme: 'none',
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    skipErrorChecking: true, // `npm run typecheck` is the check
    disableSources: true,
    sort: ['source-order'],
    logLevel: 'Error',
    // options of typedoc-plugin-markdown
    outputFileStrategy: 'modules',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    sanitizeComments: true,
  }),
);
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
  for (const module of context.project.getChildrenByKind(ReflectionKind.Module)) {
    const symbol = context.getSymbolFromReflection(module);
    const file = symbol?.declarations?.[0]?.getSourceFile().fileName;
    const name = file === undefined ? undefined : entries.get(file);
    if (name !== undefined) module.name = name;
  }
});
const project = await app.convert();
if (project === undefined)
  throw new Error('[api] typedoc could not read the sources. hint: run npm run typecheck');
await app.generateOutputs(project);
if (app.logger.hasErrors())
  throw new Error('[api] typedoc reported errors, see above. hint: run npm run typecheck');
console.log(`API of ${entries.size} entry points written to ${relative(root, out)}`);
