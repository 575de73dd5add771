// Module hooks of run-source.mjs. The program that a thread was started with is one bundle; what is
// imported without one, by code that was given on the command line, is transformed file by file.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { PACKAGE, sourceBundle } from './source-bundle.mjs';

/** URLs of programs. @type {Set<string>} */
const programs = new Set();

/** @param {{ program: string | undefined }} data */
export function initialize({ program }) {
  if (program !== undefined) programs.add(program);
}

/** @param {string} url */
const isSource = (url) =>
  url.startsWith('file:') && /(\.m?ts|\/README\.md)$/.test(url) && !url.includes('/node_modules/');

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, nextResolve) {
  if (specifier.startsWith(PACKAGE)) {
    const [name = '', parentURL] = specifier.slice(PACKAGE.length).split(' from ');
    return nextResolve(name, { ...context, parentURL });
  }
  const resolved = await nextResolve(specifier, context);
  if (programs.has(context.parentURL ?? '') && isSource(resolved.url)) {
    throw new Error(
      `[run-source] ${context.parentURL} imports ${resolved.url} by a computed name, which would load ` +
        'its modules twice. ' +
        'hint: import it by a literal one',
    );
  }
  return resolved;
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  if (programs.has(url))
    return { format: 'module', source: await sourceBundle(fileURLToPath(url)), shortCircuit: true };
  if (!isSource(url)) return nextLoad(url, context);
  const path = fileURLToPath(url);
  const { transform } = await import('esbuild'); // takes longer than a bundle that is kept
  const { code: source } = await transform(await readFile(path, 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcefile: path,
    sourcemap: 'inline',
  });
  return { format: 'module', source, shortCircuit: true };
}
