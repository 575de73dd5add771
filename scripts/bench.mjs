// Runs one benchmark from sources: `npm run bench -- NAME [--json]` finds packages/*/bench/NAME.ts
// or apps/*/bench/NAME.ts and hands the remaining arguments on. Without a name it lists what there
// is.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './lib/run.mjs';
import { root, rooms } from './lib/workspace.mjs';

/** Every benchmark by name; `tensor/matmul` where two packages have a benchmark of one name. */
function findBenches() {
  const found = rooms().flatMap((room) => {
    const folder = join(room.folder, 'bench');
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.startsWith('_'))
      .sort()
      .map((file) => ({ name: file.slice(0, -'.ts'.length), room, file: join(folder, file) }));
  });
  const count = new Map();
  for (const { name } of found) count.set(name, (count.get(name) ?? 0) + 1);
  return new Map(
    found.map((bench) => [
      count.get(bench.name) > 1 ? `${bench.room.name}/${bench.name}` : bench.name,
      bench,
    ]),
  );
}

const benches = findBenches();
const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name.startsWith('-')) {
  if (benches.size === 0) console.log('no benchmarks yet');
  for (const [known, { room }] of benches) console.log(`${known.padEnd(24)} ${room.path}`);
} else {
  const bench = benches.get(name);
  if (bench === undefined) {
    const known = [...benches.keys()].join(', ') || 'none yet';
    console.error(`[bench] there is no benchmark "${name}". hint: known benchmarks: ${known}`);
    process.exit(1);
  }
  const loader = join(root, 'scripts/run-source.mjs');
  const args = [
    '--expose-gc',
    '--enable-source-maps',
    '--conditions=@cria/source',
    '--import',
    loader,
    bench.file,
    ...rest,
  ];
  const { code } = await run(process.execPath, args, { cwd: root, live: true });
  process.exitCode = code;
}
