import { loadModelTokenizer } from './load-model.ts';
import { servePrompts } from './prompt-encoder.ts';

// The file that the thread for long prompts starts with.
await servePrompts(loadModelTokenizer);
