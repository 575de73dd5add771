// Module hooks of run-source.mjs: TypeScript through esbuild, a README as its example.
import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readmeExample } from './readme-example.mjs';

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const isReadme = url.startsWith('file:') && url.endsWith('/README.md');
  const isSource = url.startsWith('file:') && /\.m?ts$/.test(url) && !url.includes('/node_modules/');
  if (!isReadme && !isSource) return nextLoad(url, context);
  const path = fileURLToPath(url);
  const text = await readFile(path, 'utf8');
  const code = isReadme ? readmeExample(text) : text;
  if (code === undefined) {
    throw new Error(
      `[run-source] ${path} has no example. hint: put <!-- example --> on the line above a \`\`\`ts block`,
    );
  }
  const { code: source } = await transform(code, {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcefile: path,
    sourcemap: 'inline',
  });
  return { format: 'module', source, shortCircuit: true };
}
