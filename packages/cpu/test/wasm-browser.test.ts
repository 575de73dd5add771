import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle, launch, noBrowser, resultOf, type Served, serve } from './support/browser.ts';
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

  it('says what a page without isolation may not ask for', async () => {
    const { failures } = (await check(plain, 'threads=2')) as { failures: string[] };
    expect(failures[0]).toMatch(/threads 2, background false: not on a page that is not .* hint: serve/);
  });
});
