import { defineConfig } from 'tsup';
import { library } from '../../scripts/tsup.ts';
import { fixedSources } from './scripts/sources.mjs';

export default defineConfig(
  library({ entry: ['src/index.ts', 'src/browser.ts'], esbuildPlugins: [fixedSources] }),
);
