// Runs the example of every package's README from sources, two at a time, and prints a line each.
//   node scripts/check-readmes.mjs [name ...]
// A package (below packages/) must have one; an app's README may do without, since its examples are
// shell commands, and so may a room of C++ headers, which JavaScript cannot import.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { headerRooms } from './lib/floors.mjs';
import { readmeExample } from './lib/readme-example.mjs';
import { forEachOf, run } from './lib/run.mjs';
import { root, rooms } from './lib/workspace.mjs';

/** An example is a first taste: one that takes longer than this is not one. */
const limitMs = 60_000;

/** @typedef {import('./lib/workspace.mjs').Room} Room */

/** @param {Room} room @returns {Promise<{ ok: boolean, line: string }>} */
async function check(room) {
  const readme = join(room.folder, 'README.md');
  if (!existsSync(readme)) return { ok: false, line: 'has no README.md' };
  if (readmeExample(readFileSync(readme, 'utf8')) === undefined) {
    if (room.kind === 'apps' || headerRooms.includes(room.name))
      return { ok: true, line: 'README without an example to run' };
    return { ok: false, line: 'README.md has no ```ts block under a line <!-- example -->' };
  }
  const loader = join(root, 'scripts/run-source.mjs');
  const args = ['--enable-source-maps', '--conditions=@cria/source', '--import', loader, readme];
  const { code, output, seconds } = await run(process.execPath, args, { cwd: room.folder, limitMs });
  if (code === 0) return { ok: true, line: `example ran in ${seconds.toFixed(1)} s` };
  return { ok: false, line: `example ended with status ${code}\n${output.trimEnd().replace(/^/gm, '    ')}` };
}

const names = process.argv.slice(2);
const wanted = rooms().filter((room) => names.length === 0 || names.includes(room.name));
const unknown = names.filter((name) => !wanted.some((room) => room.name === name));
if (unknown.length > 0) {
  console.error(
    `[check-readmes] no package named ${unknown.join(', ')}. hint: one of ${rooms()
      .map((room) => room.name)
      .join(', ')}`,
  );
  process.exit(1);
}
const results = await forEachOf(wanted, async (room) => {
  const result = await check(room);
  console.log(`  ${result.ok ? 'ok    ' : 'FAILED'} ${room.path}: ${result.line}`);
  return result.ok;
});
process.exitCode = results.every(Boolean) ? 0 : 1;
