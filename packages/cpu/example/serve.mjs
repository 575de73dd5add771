// Serves the example page and the installed packages, with the two headers that let a page share
// memory between threads:
//   node packages/cpu/example/serve.mjs [--port 8081] [--not-isolated]      after `npm run build`
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8081' },
    'not-isolated': { type: 'boolean', default: false },
  },
});
/** @type {Record<string, string>} */
const types = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm', map: 'application/json' };
const headers = values['not-isolated']
  ? {}
  : {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    };

/** The page, and files of the packages: their built modules and the wasm file. */
function fileOf(/** @type {string} */ path) {
  if (path === '/') return new URL('index.html', import.meta.url);
  const [, name, file] = /^\/node_modules\/@cria\/([a-z]+)\/((?:dist|build)\/[\w.-]+)$/.exec(path) ?? [];
  return name && file ? new URL(`../../${name}/${file}`, import.meta.url) : undefined;
}

createServer(async (request, response) => {
  const file = fileOf(new URL(request.url ?? '/', 'http://localhost').pathname);
  const body = file && (await readFile(file).catch(() => undefined));
  if (!file || !body) return void response.writeHead(404).end();
  const type = types[fileURLToPath(file).split('.').at(-1) ?? ''] ?? 'application/octet-stream';
  response.writeHead(200, { 'content-type': type, ...headers }).end(body);
}).listen(Number(values.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${values.port}/`));
