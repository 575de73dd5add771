// Type check of the whole workspace from sources, tests, benches and scripts included.
//   node scripts/typecheck.mjs         by the native compiler, where this platform has it
//   node scripts/typecheck.mjs --js    by the JavaScript one, whose declarations are published
// Three sets of options live in one workspace: tsconfig.json for most of it, tsconfig.numeric.json
// for the numeric packages (no `noUncheckedIndexedAccess`), tsconfig.scripts.json for the plain
// JavaScript of scripts/ and docs/. Since every package is read from its sources, a program of one
// set also holds files of another; each program therefore reports only the files that its own
// `include` names.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { nativeCompiler, nativeDiagnostics } from './lib/typecheck-native.mjs';
import { root } from './lib/workspace.mjs';

const docs = `${join(root, 'docs')}/`;
/** The documentation has dependencies of its own, which `npm start` and `npm test` leave out. */
const withDocs = existsSync(join(docs, 'node_modules'));

const configs = ['tsconfig.json', 'tsconfig.numeric.json', 'tsconfig.scripts.json'];

/** @type {ts.FormatDiagnosticsHost} */
const formatHost = {
  getCurrentDirectory: () => root,
  getCanonicalFileName: (name) => name,
  getNewLine: () => '\n',
};

/**
 * A compiler host that keeps what it parsed. The options that parsing and binding depend on are the same in every set.
 * @param {ts.CompilerOptions} options
 * @param {Map<string, ts.SourceFile | undefined>} parsed  shared between the sets
 */
function sharingHost(options, parsed) {
  const host = ts.createCompilerHost(options);
  const parse = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) => {
    if (!parsed.has(name)) parsed.set(name, parse(name, version, ...rest));
    return parsed.get(name);
  };
  return host;
}

/**
 * Options of a configuration, and the files that it includes itself; those of the documentation
 * only where its dependencies are.
 * @param {string} config  path of a tsconfig
 * @throws when the configuration cannot be read
 */
function readConfig(config) {
  const settings = ts.getParsedCommandLineOfConfigFile(
    config,
    { noEmit: true },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(`[typecheck] ${ts.formatDiagnostic(diagnostic, formatHost).trim()}`);
      },
    },
  );
  if (settings === undefined) throw new Error(`[typecheck] cannot read ${config}. hint: is it there?`);
  const { options, errors, fileNames } = settings;
  return {
    options,
    errors,
    files: withDocs ? fileNames : fileNames.filter((name) => !name.startsWith(docs)),
  };
}

/**
 * Errors in the files that one configuration includes, by the JavaScript compiler.
 * @param {string} config  path of a tsconfig
 * @param {Map<string, ts.SourceFile | undefined>} parsed
 * @returns {{ files: number, errors: string[] }}
 * @throws when the configuration cannot be read
 */
export function check(config, parsed) {
  const { options, errors, files } = readConfig(config);
  const program = ts.createProgram(files, options, sharingHost(options, parsed));
  const diagnostics = [...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()];
  for (const name of files) {
    const file = program.getSourceFile(name);
    if (file === undefined) continue; // reported with the options
    diagnostics.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file));
  }
  return {
    files: files.length,
    errors: diagnostics.map((each) => ts.formatDiagnostic(each, formatHost).trimEnd()),
  };
}

/**
 * The same by the native compiler.
 * @param {string} config @param {string} program
 * @returns {Promise<{ files: number, errors: string[] }>}
 * @throws when the configuration cannot be read, or the compiler breaks
 */
export async function checkNative(config, program) {
  const { files } = readConfig(config);
  return { files: files.length, errors: await nativeDiagnostics(program, config, new Set(files)) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const started = performance.now();
  const native = process.argv.includes('--js') ? { reason: 'it was asked for' } : await nativeCompiler();
  if ('reason' in native) console.log(`by the JavaScript compiler, in a minute or so: ${native.reason}`);
  const parsed = new Map();
  const results = [];
  for (const name of configs) {
    const config = join(root, name);
    results.push('reason' in native ? check(config, parsed) : await checkNative(config, native.program));
  }
  const errors = results.flatMap((result) => result.errors);
  const files = results.reduce((sum, result) => sum + result.files, 0);
  for (const error of errors) console.log(error);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (!withDocs)
    console.log(
      'docs/ is left out: its dependencies are not installed. hint: node scripts/bootstrap.mjs docs',
    );
  console.log(`${files} files, ${errors.length} type errors (${seconds} s)`);
  process.exitCode = errors.length === 0 ? 0 : 1;
}
