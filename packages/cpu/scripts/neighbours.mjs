// Puts the headers of other rooms into this package for the time of its packing, so that the
// published one compiles by itself.
//   node scripts/neighbours.mjs            before: copies them to neighbours/
//   node scripts/neighbours.mjs --remove   after
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neighbours } from './sources.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const there = join(here, 'neighbours');

rmSync(there, { recursive: true, force: true });
if (!process.argv.includes('--remove'))
  for (const name of neighbours) {
    const from = join(here, '..', name, 'cpp');
    mkdirSync(join(there, name), { recursive: true });
    for (const file of readdirSync(from))
      if (file.endsWith('.h')) copyFileSync(join(from, file), join(there, name, file));
  }
