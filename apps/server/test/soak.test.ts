import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { post, tinyServer } from './tiny-server.ts';

// CRIA_HEAVY=1 runs waves of a thousand and looks at the process too; the short version only shows
// that nothing is kept for each request.
const heavy = Boolean(process.env['CRIA_HEAVY']);
const total = heavy ? 1000 : 160;

it(
  `memory stays flat over waves of ${total} requests, some of them wrong, some of them left alone`,
  { timeout: 120_000 },
  async () => {
    const server = await tinyServer();
    const wave = async (count: number) => {
      for (let i = 0; i < count; i += 20) {
        await Promise.all(
          Array.from({ length: 20 }, async (_, j) => {
            if (j === 0) return post(server.url, { prompt: 7 });
            if (j !== 1) return post(server.url, { prompt: `p${i}`, max_tokens: 4, seed: j });
            const controller = new AbortController();
            setTimeout(() => controller.abort(), j);
            return post(
              server.url,
              { prompt: 'left', max_tokens: 200, stream: true },
              { signal: controller.signal },
            ).catch(() => {});
          }),
        );
      }
    };
    const measure = async (waves: number) => {
      const all: Usage[] = [];
      for (let i = 0; i < waves; i++) {
        await wave(total);
        all.push(usage());
      }
      return {
        heap: Math.min(...all.map((each) => each.heap)),
        rss: Math.min(...all.map((each) => each.rss)),
      };
    };
    await wave(total);
    // What the process holds goes up and down by some 30 MiB as V8 sizes its young generations; its floor must stay.
    const waves = heavy ? 5 : 1;
    const before = await measure(waves);
    const after = await measure(waves);
    expect(after.heap - before.heap).toBeLessThan(1500 * total);
    if (!heavy) return;
    console.log({ before, after });
    expect(after.rss - before.rss).toBeLessThan(16 * 2 ** 20);
  },
);

interface Usage {
  readonly heap: number;
  readonly rss: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usage(): Usage {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, rss };
}
