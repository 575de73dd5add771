// Makes the npm package of one platform's native file: `@cria/cpu-linux-x64-gnu` and its like.
//   node scripts/native-package.mjs <target> <folder>
// Takes what packages/cpu/scripts/build.mjs built on this machine. The platform is named and
// checked rather than guessed, so that a runner of the wrong kind cannot publish under a wrong
// name.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nativeTargets } from './lib/native-targets.mjs';
import { filesBelow, readManifest, root } from './lib/workspace.mjs';

/** @param {string} problem @param {string} hint @returns {never} */
function fail(problem, hint) {
  console.error(`[native-package] ${problem}. hint: ${hint}`);
  process.exit(1);
}

const [name = '', folder = ''] = process.argv.slice(2);
const target = nativeTargets[name];
if (target === undefined) fail(`unknown target "${name}"`, `one of ${Object.keys(nativeTargets).join(', ')}`);
if (folder === '') fail('no folder to write to', 'node scripts/native-package.mjs <target> <folder>');
if (target.os !== process.platform || target.cpu !== process.arch) {
  fail(`target ${name} on ${process.platform}-${process.arch}`, 'build each target on its own platform');
}

const cpu = join(root, 'packages/cpu');
const built = [...filesBelow(cpu, { into: ['build', 'dist'] })].filter((file) => file.endsWith('.node'));
const [addon] = built;
if (addon === undefined || built.length > 1) {
  fail(
    `found ${built.length} native files below packages/cpu, expected one`,
    'run node packages/cpu/scripts/build.mjs first',
  );
}

const { version, license } = readManifest(cpu);
const manifest = {
  name: `@cria/cpu-${name}`,
  version,
  description: `The native kernels of @cria/cpu for ${name}.`,
  license,
  repository: { type: 'git', url: 'git+https://github.com/cria-ai/cria.git', directory: 'packages/cpu' },
  engines: { node: '>=20.19' },
  os: [target.os],
  cpu: [target.cpu],
  ...(target.libc === undefined ? {} : { libc: [target.libc] }),
  main: 'cria-cpu.node',
  files: ['cria-cpu.node'],
  publishConfig: { access: 'public', provenance: true },
};
const out = resolve(folder);
if (existsSync(join(out, 'package.json'))) fail(`${out} holds a package already`, 'name an empty folder');
mkdirSync(out, { recursive: true });
copyFileSync(addon, join(out, 'cria-cpu.node'));
copyFileSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
writeFileSync(
  join(out, 'README.md'),
  `# ${manifest.name}\n\n${manifest.description} Installed by \`@cria/cpu\`; not for direct use.\n`,
);
console.log(`${manifest.name}@${version} in ${out}`);
