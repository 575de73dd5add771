// Type check of the whole workspace from sources, tests, benches and scripts included.
//   node scripts/typecheck.mjs
// Three sets of options live in one workspace: tsconfig.json for most of it, tsconfig.numeric.json for the numeric packages
// (no `noUncheckedIndexedAccess`), tsconfig.scripts.json for the plain JavaScript of scripts/ and docs/. Since every package is
// read from its sources, a program of one set also holds files of another; each program therefore reports only the files
// that its own `include` names. Files are parsed once for all three.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
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
 * Diagnostics of the files that one configuration includes.
 * @param {string} config  path of a tsconfig
 * @param {Map<string, ts.SourceFile | undefined>} parsed
 * @returns {{ files: number, diagnostics: readonly ts.Diagnostic[] }}
 * @throws when the configuration cannot be read
 */
export function check(config, parsed) {
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
  const { options, errors } = settings;
  const fileNames = withDocs
    ? settings.fileNames
    : settings.fileNames.filter((name) => !name.startsWith(docs));
  const program = ts.createProgram(fileNames, options, sharingHost(options, parsed));
  const diagnostics = [...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics()];
  for (const name of fileNames) {
    const file = program.getSourceFile(name);
    if (file === undefined) continue; // reported with the options
    diagnostics.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file));
  }
  return { files: fileNames.length, diagnostics };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const started = performance.now();
  const parsed = new Map();
  const results = configs.map((name) => check(join(root, name), parsed));
  const diagnostics = results.flatMap((result) => result.diagnostics);
  const files = results.reduce((sum, result) => sum + result.files, 0);
  const write = process.stdout.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics;
  process.stdout.write(write(diagnostics, formatHost));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (!withDocs)
    console.log(
      'docs/ is left out: its dependencies are not installed. hint: node scripts/bootstrap.mjs docs',
    );
  console.log(`${files} files, ${diagnostics.length} type errors (${seconds} s)`);
  process.exitCode = diagnostics.length === 0 ? 0 : 1;
}
