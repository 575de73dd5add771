// Checks that imports, and the includes of C++, follow the floor plan and that every package
// declares exactly what it imports.
//   node scripts/check-floors.mjs [repository root]
import { resolve } from 'node:path';
import { importProblems } from './lib/imports.mjs';
import { includeProblems } from './lib/includes.mjs';
import { readManifest, root, rooms } from './lib/workspace.mjs';

const from = resolve(process.argv[2] ?? root);
const found = rooms(from);
const rootDevDependencies = Object.keys(readManifest(from).devDependencies ?? {});
const problems = [
  ...importProblems(found, { root: from, rootDevDependencies }),
  ...includeProblems(found, { root: from }),
];
for (const problem of problems) console.error(problem);
console.log(
  `${found.length} packages, ${problems.length} imports, includes or manifests against the floor plan`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
