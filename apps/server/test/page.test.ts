import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchOptions, noBrowser } from '../../../scripts/support/chromium.ts';
import type { RunningServer } from '../src/index.ts';
import { tinyServer } from './tiny-server.ts';

if (noBrowser) console.warn(`skipped the page: ${noBrowser}`);

describe.skipIf(noBrowser)('the page in Chromium', { timeout: 60_000 }, () => {
  let browser: Browser;
  let server: RunningServer;
  let slow: RunningServer;
  beforeAll(async () => {
    [browser, server, slow] = await Promise.all([
      chromium.launch(launchOptions),
      tinyServer({ untilClosed: true }),
      tinyServer({ untilClosed: true, model: 'slow' }),
    ]);
  }, 60_000);
  afterAll(() => Promise.all([browser.close(), server.close(), slow.close()]));

  /**
   * The page, ready to use; it must have asked for nothing elsewhere and complained about nothing
   * when the test is over.
   */
  async function open(
    url: string,
    run: (page: Page) => Promise<void>,
    options = {},
    complaints: unknown[] = [],
  ) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) problems.push(request.url());
    });
    await page.goto(url);
    await page.getByRole('button', { name: 'Generate' }).and(page.locator(':enabled')).waitFor();
    await run(page).finally(() => context.close());
    expect(problems).toEqual(complaints);
  }

  it('shows the model, and a text with its speed when one types and presses the button', () =>
    open(server.url, async (page) => {
      expect(await page.locator('#facts').innerText()).toContain('256 tokens');
      await page.getByLabel('Prompt').fill('Hello');
      await page.getByLabel('Seed').fill('5');
      await page.getByLabel('Max tokens').fill('30');
      await page.getByRole('button', { name: 'Generate' }).click();
      await page.locator('#status').filter({ hasText: 'token limit reached' }).waitFor();
      expect(await page.locator('#status').innerText()).toMatch(/^30 tokens, [\d.]+ tokens\/s, token limit/);
      const { choices } = (await (
        await fetch(`${server.url}/v1/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ prompt: 'Hello', seed: 5, temperature: 0.8, top_p: 0.95, max_tokens: 30 }),
        })
      ).json()) as { choices: { text: string }[] };
      expect(await page.locator('#output').evaluate((element) => element.textContent)).toBe(
        `Hello${choices[0]!.text}`,
      );
      const before = await page.locator('#output').evaluate((element) => element.textContent.length);
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.locator('#status').filter({ hasText: 'token limit reached' }).waitFor();
      expect(await page.locator('#output .prompt').evaluate((element) => element.textContent.length)).toBe(
        before,
      );
    }));

  it('stops when it is told to, and the server stops too', () =>
    open(slow.url, async (page) => {
      await page.getByLabel('Prompt').fill('Hello');
      await page.keyboard.press('Control+Enter');
      await page.locator('#status').filter({ hasText: 'tokens/s' }).waitFor();
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await page.locator('#status').filter({ hasText: 'stopped' }).waitFor();
      await expect
        .poll(async () => (await (await fetch(`${slow.url}/health`)).json()) as unknown)
        .toEqual({ status: 'ok', active: 0 });
      expect(await page.getByRole('button', { name: 'Generate' }).isEnabled()).toBe(true);
    }));

  it('shows what the server refuses', () =>
    open(
      server.url,
      async (page) => {
        await page.getByLabel('Prompt').fill('x'.repeat(300));
        await page.getByRole('button', { name: 'Generate' }).click();
        await page
          .getByRole('alert')
          .filter({ hasText: 'the prompt has 301 tokens, the context 256' })
          .waitFor();
      },
      {},
      [expect.stringContaining('400 (Bad Request)')], // Chromium's own line about the answer
    ));

  it.each(['light', 'dark'] as const)(
    'fits a phone in %s colours, and every control has a name',
    (colorScheme) =>
      open(
        server.url,
        async (page) => {
          expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
          const controls = page.locator('button, input, textarea');
          for (const control of await controls.all()) {
            const name = await control.evaluate(
              (element: { labels?: { length: number }; textContent: string }) =>
                element.labels?.length ? 'labelled' : element.textContent,
            );
            expect(name).not.toBe('');
          }
          expect(await contrast(page)).toBeGreaterThan(4.5);
        },
        { colorScheme, viewport: { width: 360, height: 740 } },
      ),
  );
});

/** Least contrast of text against its background (WCAG 2), over what the page says most. */
async function contrast(page: Page): Promise<number> {
  return page.evaluate(`(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
      for (let e = element; e; e = e.parentElement) {
        const color = numbers(getComputedStyle(e).backgroundColor);
        if ((color[3] ?? 1) > 0) return light(color);
      }
      return 1;
    };
    return Math.min(...['h1', 'header p', 'label', 'button.primary', 'dt', 'dd', '#output', '#settings span'].map((selector) => {
      const element = document.querySelector(selector);
      const [a, b] = [light(numbers(getComputedStyle(element).color)), behind(element)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));
  })()`);
}
