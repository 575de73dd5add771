// Lets Node run the workspace from its TypeScript sources, file by file, so that `import.meta.url` stays true:
//   node --conditions=@cria/source --import ./scripts/run-source.mjs packages/tensor/bench/matmul.ts
// A package's README.md runs too: its example (see lib/readme-example.mjs) is the module.
import { register } from 'node:module';

register('./lib/source-hooks.mjs', import.meta.url);
