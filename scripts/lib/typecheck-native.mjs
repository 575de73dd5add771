// The native TypeScript compiler, a program of its own: it checks the workspace in a tenth of the
// time of the JavaScript one.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from './run.mjs';
import { root } from './workspace.mjs';

/**
 * Where the program lies, or why there is none: it comes as a package of each platform, and not for all of them.
 * @param {string} [folder]  the installed package
 * @returns {Promise<{ program: string } | { reason: string }>}
 */
export async function nativeCompiler(folder = join(root, 'node_modules/typescript-native')) {
  const finder = join(folder, 'lib/getExePath.js');
  if (!existsSync(finder)) return { reason: `${folder} is not installed` };
  try {
    const { default: find } = await import(pathToFileURL(finder).href);
    return { program: find() };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** @param {string} path */
const slashed = (path) => path.replaceAll('\\', '/');

/**
 * What the compiler says of some files of a configuration, and of the configuration itself.
 * @param {string} program
 * @param {string} config  path of a tsconfig
 * @param {ReadonlySet<string>} files  absolute, with slashes
 * @returns {Promise<string[]>} an error each, with the lines that belong to it
 * @throws when the compiler did not end as one does that has looked at everything
 */
export async function nativeDiagnostics(program, config, files) {
  const args = ['-p', config, '--noEmit', '--pretty', 'false'];
  const { code, output } = await run(program, args, { cwd: root });
  /** @type {string[]} */
  const errors = [];
  let told = 0;
  let keeps = false;
  for (const line of output.split(/\r?\n/)) {
    const [, file] = /^(.+?)\(\d+,\d+\): error TS\d+: /.exec(line) ?? [];
    if (file !== undefined || /^error TS\d+: /.test(line)) {
      told++;
      // Of the configuration, too, which is no source.
      keeps = file === undefined || file.endsWith('.json') || files.has(slashed(resolve(root, file)));
      if (keeps) errors.push(line);
    } else if (keeps && /^\s+\S/.test(line)) {
      errors.push(`${errors.pop()}\n${line}`);
    }
  }
  if (code !== 0 && told === 0)
    throw new Error(`[typecheck] ${program} ended with status ${code}: ${output.trim().slice(-2000)}`);
  return errors;
}
