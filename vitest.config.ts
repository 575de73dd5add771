import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SkipsReporter } from './scripts/support/skips-reporter.ts';

const conditions = ['@cria/source', 'module', 'node', 'import', 'default'];
const roots = ['packages', 'apps'].flatMap((folder) =>
  readdirSync(new URL(folder, import.meta.url)).map((name) => `${folder}/${name}`),
);

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ['default', new SkipsReporter()],
    // Two files at a time on two cores, where the default is one.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // The files of a package share a process, and so the modules, compiled, that all of them
    // import: a third of the time of a run. What a file changes of its process it puts back.
    isolate: false,
    projects: [
      ...roots.filter((root) => existsSync(new URL(`${root}/package.json`, import.meta.url))),
      'scripts',
    ].map((root) => ({
      extends: true,
      test: { name: root.split('/').at(-1)!, root, include: ['test/**/*.test.ts'], testTimeout: 60_000 },
    })),
  },
});
