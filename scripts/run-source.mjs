// Lets Node run the workspace from its TypeScript sources; every module keeps its place, so that
// `import.meta.url` stays true:
//   node --conditions=@cria/source --import ./scripts/run-source.mjs packages/tensor/bench/matmul.ts
// A package's README.md runs too: its example (see lib/readme-example.mjs) is the module. Threads
// started from sources take this as well.
import { realpathSync } from 'node:fs';
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, path] = process.argv;
const program =
  path !== undefined && /\.(m?ts|md)$/.test(path) ? pathToFileURL(realpathSync(path)).href : undefined;
process.setSourceMapsEnabled(true);
register('./lib/source-hooks.mjs', { parentURL: import.meta.url, data: { program } });
