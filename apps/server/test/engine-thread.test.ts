import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { resolveSampling } from '@cria/inference';
import { resolveEngineLimits } from '../src/engine-options.ts';
import type { FromEngine, ToEngine } from '../src/protocol.ts';
import { post, tinyServer, tinyThread } from './tiny-server.ts';

/** The engine's thread by itself: what it says until `enough` of it was heard. */
async function listen(messages: readonly ToEngine[], enough: (heard: readonly FromEngine[]) => boolean) {
  const workerData = { model: 'tiny', device: 'auto', ...resolveEngineLimits('test', {}) };
  const { url, execArgv = [] } = tinyThread;
  const worker = new Worker(url, { workerData, execArgv: [...execArgv] });
  onTestFinished(() => void worker.terminate());
  const heard: FromEngine[] = [];
  await new Promise<void>((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', (message: FromEngine) => {
      if (message.type === 'ready') for (const each of messages) worker.postMessage(each);
      heard.push(message);
      if (enough(heard)) resolve();
    });
  });
  return heard;
}

const options = { maxTokens: 20, sampling: resolveSampling('test', { seed: 1 }), stopIds: new Set<number>() };

it('takes ids, and says in one message what a step brings of all texts', async () => {
  const request = { prompts: [[1, 2, 3], [4]], n: 4, options };
  const steps = (heard: readonly FromEngine[]) => heard.filter((each) => each.type === 'step');
  const chunks = (heard: readonly FromEngine[]) => steps(heard).flatMap((each) => each.chunks);
  const heard = await listen([{ type: 'generate', first: 7, request }], (all) => {
    return chunks(all).filter(([, { finishReason }]) => finishReason).length === 8;
  });
  expect(heard.slice(0, 2)).toMatchObject([{ type: 'ready' }, { type: 'accepted', first: 7 }]);
  expect(chunks(heard).length).toBe(8 * 20);
  // The texts of a prompt begin one step after another at most, since they share its cache.
  expect(steps(heard).length).toBeLessThanOrEqual(22);
  expect(new Set(chunks(heard).map(([id]) => id))).toEqual(new Set([7, 8, 9, 10, 11, 12, 13, 14]));
});

it('takes all texts of a request or none', async () => {
  const request = { prompts: [[1], [9999]], n: 1, options };
  const heard = await listen([{ type: 'generate', first: 0, request }], (all) => all.length === 2);
  expect(heard[1]).toMatchObject({ type: 'refused', first: 0, error: { code: 'invalid_request' } });
});

it('four tokens behind two requests for many texts do not wait for them', async () => {
  const server = await tinyServer({ model: 'slow', maxSequences: 4 });
  const long = [1, 2].map((seed) => post(server.url, { prompt: 'x', n: 32, max_tokens: 60, seed }));
  const order: string[] = [];
  for (const each of long) void each.then(() => order.push('long'));
  await new Promise((resolve) => setTimeout(resolve, 150));
  const begun = performance.now();
  const { body } = await post(server.url, { prompt: 'y', max_tokens: 4 });
  const [waited] = [performance.now() - begun, order.push('short')];
  expect(body.usage.completion_tokens).toBe(4);
  await Promise.all(long);
  expect(order).toEqual(['short', 'long', 'long']);
  expect(waited).toBeLessThan((performance.now() - begun) / 5);
});
