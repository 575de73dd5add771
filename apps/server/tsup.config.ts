import { defineConfig } from 'tsup';
import { library } from '../../scripts/tsup.ts';

export default defineConfig(
  library({
    entry: [
      'src/index.ts',
      'src/cli.ts',
      'src/engine-worker.ts',
      'src/prompt-worker.ts',
      'src/desk-worker.ts',
      'src/grammar-worker.ts',
    ],
  }),
);
