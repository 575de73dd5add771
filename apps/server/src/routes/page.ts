import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { ownFile } from '../own-file.ts';

const files = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { name: 'page.css', type: 'text/css; charset=utf-8' },
  '/page.js': { name: 'page.js', type: 'text/javascript; charset=utf-8' },
} as const;

export const pagePaths: readonly string[] = Object.keys(files);

// Whatever text a model writes, the browser runs and fetches nothing but these files, and shows
// them in no other site's frame.
const policy =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri " +
  "'none'; form-action 'none'; frame-ancestors 'none'";

/** The page where one tries the model. */
export function addPage(app: FastifyInstance): void {
  for (const [path, { name, type }] of Object.entries(files)) {
    const text = readFileSync(ownFile(`page/${name}`));
    app.get(path, (_, reply) => {
      void reply
        .header('content-security-policy', policy)
        .header('x-content-type-options', 'nosniff')
        .header('cache-control', 'no-cache')
        .type(type)
        .send(text);
    });
  }
}
