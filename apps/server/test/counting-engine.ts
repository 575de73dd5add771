import { parentPort } from 'node:worker_threads';
import type { FromEngine, ModelFacts, ToEngine } from '../src/protocol.ts';

// An engine's thread without a model. Prompts that begin with the id 7 it reads for ever; for any
// other the vector is the numbers of all prompts that were given up before.
const cancelled: number[] = [];
const say = (message: FromEngine) => parentPort?.postMessage(message);

parentPort?.on('message', (message: ToEngine) => {
  if (message.type === 'close') return parentPort?.close();
  if (message.type === 'cancel') return void cancelled.push(message.id);
  if (message.type !== 'embed') throw new Error(`[counting-engine] ${message.type} is not expected.`);
  const { first, request } = message;
  say({ type: 'accepted', first });
  if (request.prompts[0]?.[0] === 7) return;
  const usage = { promptTokens: 1, completionTokens: 0, cachedTokens: 0 };
  const embedding = { vector: Float32Array.from(cancelled), usage };
  say({ type: 'step', chunks: [], vectors: [[first, embedding]], broken: [] });
});

const facts: ModelFacts = {
  id: 'counting',
  format: 'none',
  parameters: 0,
  layers: 1,
  dim: 1,
  heads: 1,
  kvHeads: 1,
  vocabSize: 258,
  contextLength: 256,
  device: 'none',
  maxSequences: 8,
};
say({ type: 'ready', facts });
