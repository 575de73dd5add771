import { defineConfig } from 'tsup';
import { library } from '../../scripts/tsup.ts';

export default defineConfig(
  library({ entry: ['src/index.ts', 'src/node.ts', 'src/chat.ts', 'src/count-worker.ts'] }),
);
