import { existsSync, readdirSync } from 'node:fs';
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
    projects: [
      ...roots.filter((root) => existsSync(new URL(`${root}/package.json`, import.meta.url))),
      'scripts',
    ].map((root) => ({
      extends: true,
      test: { name: root.split('/').at(-1)!, root, include: ['test/**/*.test.ts'], testTimeout: 60_000 },
    })),
  },
});
