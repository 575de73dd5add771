// Type check of the whole workspace from sources, tests, benches and scripts included.
//   node scripts/typecheck.mjs
// Three sets of options live in one workspace: tsconfig.json for most of it, tsconfig.numeric.json for the numeric
// packages (no `noUncheckedIndexedAccess`), tsconfig.scripts.json for the plain JavaScript of scripts/. Since every
// package is read from its sources, a program of one set also holds files of another; each program therefore reports only
// the files that its own `include` names. Results are kept in node_modules/.cache, so that a second run looks at changes only.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './lib/workspace.mjs';

const formatHost = {
  getCurrentDirectory: () => root,
  getCanonicalFileName: (/** @type {string} */ name) => name,
  getNewLine: () => '\n',
};

/**
 * Diagnostics of the files that this configuration includes.
 * @param {string} config  file name below the root
 * @returns {{ files: number, diagnostics: readonly ts.Diagnostic[] }}
 */
function check(config) {
  const parsed = ts.getParsedCommandLineOfConfigFile(
    join(root, config),
    {
      noEmit: true,
      incremental: true,
      tsBuildInfoFile: join(root, 'node_modules/.cache/types', `${config}.tsbuildinfo`),
    },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(ts.formatDiagnostic(diagnostic, formatHost));
      },
    },
  );
  if (parsed === undefined)
    throw new Error(`[typecheck] cannot read ${config}. hint: it stands in the repository root`);
  const host = ts.createIncrementalCompilerHost(parsed.options);
  const program = ts.createIncrementalProgram({
    rootNames: parsed.fileNames,
    options: parsed.options,
    configFileParsingDiagnostics: parsed.errors,
    host,
  });
  const own = new Set(parsed.fileNames.map((name) => ts.sys.resolvePath(name)));
  const diagnostics = [
    ...parsed.errors,
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
  ];
  for (const file of program.getSourceFiles()) {
    if (!own.has(file.fileName)) continue;
    diagnostics.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file));
  }
  program.emit(); // noEmit: writes the build info alone
  return { files: own.size, diagnostics };
}

mkdirSync(join(root, 'node_modules/.cache/types'), { recursive: true });
const started = performance.now();
let files = 0;
let errors = 0;
for (const config of ['tsconfig.json', 'tsconfig.numeric.json', 'tsconfig.scripts.json'].filter((name) =>
  existsSync(join(root, name)),
)) {
  const result = check(config);
  files += result.files;
  errors += result.diagnostics.length;
  if (result.diagnostics.length > 0) {
    const write = process.stdout.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics;
    process.stdout.write(write(result.diagnostics, formatHost));
  }
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${files} files, ${errors} type errors (${seconds} s)`);
process.exitCode = errors === 0 ? 0 : 1;
