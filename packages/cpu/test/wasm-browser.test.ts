import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle, launch, noBrowser, packageModule, resultOf, type Served, serve } from './support/browser.ts';
import { built } from './support/wasm.ts';

if (noBrowser) console.log(`cpu: wasm in a browser skipped: ${noBrowser}`);
const heavy = process.env['CRIA_HEAVY'] !== undefined;
/** The short form: some kernels, stored forms and commands. */
const few = '^(adamw|swiglu|pagedAttention|commands|special values: linear|packing: .*(bf16|q8_0|q4_0), f32)';
const limit = heavy ? 300_000 : 60_000;

describe.skipIf(noBrowser || !built)('wasm in Chromium', { timeout: limit }, () => {
  let browser: Browser;
  let isolated: Served;
  let plain: Served;
  beforeAll(async () => {
    const site = {
      '/': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/conformance.js"></script>',
      '/conformance.js': await bundle('conformance.ts'),
      '/cria-cpu.wasm': { file: built!.path },
    };
    [browser, isolated, plain] = await Promise.all([launch(), serve(site, true), serve(site, false)]);
  }, 60_000);
  afterAll(() => Promise.all([browser?.close(), isolated?.close(), plain?.close()]));

  async function check(site: Served, query: string): Promise<unknown> {
    const page = await browser.newPage();
    const only = heavy ? '' : `&only=${encodeURIComponent(few)}`;
    return resultOf(page, `${site.url}?${query}${only}`, limit).finally(() => page.close());
  }

  it('conforms in a worker, with threads over shared memory', async () =>
    expect(await check(isolated, 'worker&threads=2')).toEqual({
      checked: '2 threads, background false: threads over shared memory, lists run in the caller',
      failures: [],
    }));

  it('conforms on a page, which stays responsive: lists run beside it', async () =>
    expect(await check(isolated, 'threads=2')).toEqual({
      checked: '2 threads, background true: threads over shared memory, lists run beside the caller',
      failures: [],
    }));

  it('conforms where memory is not shared: one thread, in a worker and on a page', async () => {
    const expected = {
      checked: expect.stringMatching(
        /^1 threads, background false: one thread: .*Cross-Origin-Opener-Policy/,
      ),
      failures: [],
    };
    expect(await check(plain, 'worker&memory=1e9')).toEqual(expected);
    expect(await check(plain, 'memory=1e9')).toEqual(expected);
  });

  it.each([true, false])('runs the example page without a bundler, isolated: %s', async (isolation) => {
    const site = await serve(
      {
        '/': { file: fileURLToPath(new URL('../example/index.html', import.meta.url)) },
        '/node_modules/@cria/attention/dist/index.js': await packageModule('attention/src/index.ts'),
        '/node_modules/@cria/tensor/dist/index.js': await packageModule('tensor/src/index.ts'),
        '/node_modules/@cria/cpu/dist/browser.js': await packageModule('cpu/src/browser.ts'),
        '/node_modules/@cria/cpu/build/cria-cpu.wasm': { file: built!.path },
      },
      isolation,
    );
    const page = await browser.newPage();
    try {
      const out = (await resultOf(page, site.url, 30_000)) as string;
      expect(out).toMatch(isolation ? /beside the caller/ : /one thread: .*not cross-origin isolated/);
      const losses = [...out.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
      expect(losses[0]).toBeGreaterThan(0.9);
      expect(losses.at(-1)).toBeLessThan(0.2);
      expect([...site.sent.keys()].filter((path) => path !== '/').length).toBe(4); // nothing but modules and wasm
    } finally {
      await page.close();
      await site.close();
    }
  });

  it('says what a page without isolation may not ask for', async () => {
    const { failures } = (await check(plain, 'threads=2')) as { failures: string[] };
    expect(failures[0]).toMatch(/threads 2, background false: not on a page that is not .* hint: serve/);
  });
});
