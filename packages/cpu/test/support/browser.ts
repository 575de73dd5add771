import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { launchOptions } from '../../../../scripts/support/chromium.ts';
import { fixedSources } from '../../scripts/sources.mjs';

export { noBrowser } from '../../../../scripts/support/chromium.ts';

export const launch = (): Promise<Browser> => chromium.launch(launchOptions);

/** A path of a site → its file, or its text, and whether it is sent. */
export type Site = Readonly<Record<string, string | Uint8Array | { readonly file: string }>>;

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
};

export interface Served {
  readonly url: string;
  /** Bytes of the bodies that were sent, by path. */
  readonly sent: Map<string, number>;
  close(): Promise<void>;
}

/** Serves a site on this machine, with the headers that give pages shared memory where `isolated`. */
export async function serve(site: Site, isolated: boolean): Promise<Served> {
  const sent = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const entry = site[path];
    if (entry === undefined) return void response.writeHead(404).end();
    const body = typeof entry === 'string' || entry instanceof Uint8Array ? entry : readFileSync(entry.file);
    sent.set(path, Buffer.byteLength(body));
    response.writeHead(200, {
      'content-type': types[path.split('.').at(-1)!] ?? 'text/html',
      ...(isolated && {
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      }),
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    sent,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** A program of this folder as one file for a browser, from sources; vitest, which it must not use, is left out. */
export async function bundle(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`browser/${name}`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    conditions: ['@cria/source'],
    // `using` is lowered, and needs its symbols.
    banner: { js: 'Symbol.dispose ??= Symbol("dispose"); Symbol.asyncDispose ??= Symbol("asyncDispose");' },
    logLevel: 'error',
    plugins: [
      fixedSources,
      {
        name: 'without vitest',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^vitest$/ }, () => ({ path: 'vitest', namespace: 'none' }));
          onLoad({ filter: /.*/, namespace: 'none' }, () => ({
            contents: 'export const afterAll = 0, describe = 0, test = 0;',
          }));
        },
      },
    ],
  });
  return outputFiles[0]!.text;
}

/**
 * The module that a package is built to, from its source: other packages stay imports, as
 * `scripts/tsup.ts` leaves them.
 */
export async function packageModule(source: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../../../${source}`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'node20',
    external: ['@cria/*'],
    plugins: [fixedSources],
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

/** Opens a page; gives what `window.result` becomes, and throws what the page complained of. */
export async function resultOf(page: Page, url: string, limitMs: number): Promise<unknown> {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(url);
  await page
    .waitForFunction('window.result !== undefined', undefined, { timeout: limitMs })
    .catch((error: Error) => {
      throw new Error([...problems, error.message].join('\n'), { cause: error });
    });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return page.evaluate('window.result');
}
