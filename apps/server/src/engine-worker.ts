import { serveEngine } from './engine-thread.ts';
import { loadModel } from './load-model.ts';

// The file that the engine's thread starts with.
await serveEngine(loadModel);
