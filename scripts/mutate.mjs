// Does a test see a fault? Changes one place of one file in a copy of the checkout outside of it,
// runs a command there, and removes the copy: the checkout itself is never written, so no mutant
// can stay behind.
//   node scripts/mutate.mjs FILE 'old text' 'new text' -- npx vitest run --project tensor test/kernels.test.ts
// Ends with 0 where the command failed (the mutant was killed), 1 where it passed (it survived), 2
// where nothing could be tried.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = realpathSync(fileURLToPath(new URL('..', import.meta.url)));

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[mutate] ${problem}. hint: ${hint}`);
  process.exit(2);
}

/** @param {string} folder @param {string} path whether a path lies in a folder */
const inside = (folder, path) => {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
};

/** What is not copied: what git has, and what is linked or made elsewhere. */
const left = new Set(['.git', 'node_modules', 'dist', 'coverage', 'runs']);

/**
 * Copies the checkout; dependencies are links to those of the checkout, built kernels are copied.
 * @param {string} to
 */
function copyCheckout(to) {
  cpSync(root, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !left.has(basename(path)) && basename(path) !== 'wasm-compiler',
  });
  linkModules(root, to);
}

/**
 * Links every installed dependency. Packages of the workspace are linked relatively by pnpm, so
 * that folders of links must be copied: they then lead to the copy.
 * @param {string} from @param {string} to
 */
function linkModules(from, to) {
  const modules = join(from, 'node_modules');
  if (existsSync(modules)) {
    if (from === root) symlinkSync(modules, join(to, 'node_modules'));
    else cpSync(modules, join(to, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  }
  if (from !== root) return;
  for (const kind of ['packages', 'apps'])
    for (const name of existsSync(join(from, kind)) ? readdirSync(join(from, kind)) : [])
      linkModules(join(from, kind, name), join(to, kind, name));
}

function main() {
  const dashes = process.argv.indexOf('--');
  const [file, before, after, ...rest] = process.argv.slice(2, dashes < 0 ? undefined : dashes);
  const command = dashes < 0 ? [] : process.argv.slice(dashes + 1);
  if (
    file === undefined ||
    before === undefined ||
    after === undefined ||
    rest.length > 0 ||
    command.length === 0
  )
    fail(
      'a file, an old text, a new text and a command are needed',
      "node scripts/mutate.mjs FILE 'old' 'new' -- npx vitest run …",
    );
  const path = resolve(file);
  if (!inside(root, path) || !existsSync(path))
    fail(`${file} is no file of this checkout`, `name a file below ${root}`);
  const text = readFileSync(path, 'utf8');
  const places = before === '' ? 0 : text.split(before).length - 1;
  if (places !== 1)
    fail(`the old text is in ${file} ${places} times`, 'give a longer piece that is there once');
  if (before === after) fail('old and new text are the same', 'a mutant differs');

  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cria-mutant-')));
  if (inside(root, folder)) {
    rmSync(folder, { recursive: true });
    fail(`the folder for temporary files, ${tmpdir()}, lies in the checkout`, 'set TMPDIR to one outside');
  }
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM']))
    process.once(signal, () => process.exit(2));
  copyCheckout(folder);
  // A function: `$` has no meaning in it.
  writeFileSync(
    join(folder, relative(root, path)),
    text.replace(before, () => after),
  );
  const [program = '', ...args] = command;
  const { status, error, signal } = spawnSync(program, args, { cwd: folder, stdio: 'inherit' });
  if (error || signal)
    fail(`${program} did not run: ${error?.message ?? signal}`, 'try the command by itself first');
  console.log(status === 0 ? 'survived: no test saw it' : 'killed');
  process.exitCode = status === 0 ? 1 : 0;
}

main();
