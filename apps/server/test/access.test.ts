import { renameSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorShape, getJson, postTo, tinyServer, waitFor } from './tiny-server.ts';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'cria-keys-'))));

const json = { 'content-type': 'application/json' };

describe('API keys', () => {
  it('close every route but a few, whether it exists or not', async () => {
    const file = join(folder, 'keys');
    writeFileSync(file, '# ours\nalpha-key\n\nbeta-key texts=2\n');
    const { url } = await tinyServer({ apiKeyFile: file });
    const get = async (path: string, headers = {}) => (await fetch(url + path, { headers })).status;
    for (const path of ['/health', '/health/', '/ready', '/openapi.json', '/', '/page.js'])
      expect([path, await get(path)]).toEqual([path, 200]);
    const closed = [
      '/v1/models',
      '/v1/models/tiny',
      '/props',
      '/slots',
      '/metrics',
      '/v1/models/',
      '/nothing',
    ];
    for (const path of closed) expect([path, await get(path)]).toEqual([path, 401]);
    for (const path of ['/v1/completions', '/v1/chat/completions', '/tokenize', '/apply-template'])
      expect((await postTo(url + path, { prompt: 'x' })).status).toBe(401);
    const wrong = [
      { authorization: 'Bearer alpha' },
      { authorization: 'alpha-key' },
      { 'x-api-key': 'beta' },
    ];
    for (const headers of wrong) expect(await get('/v1/models', headers)).toBe(401);
    expect(await get('/v1/models', { authorization: 'Bearer alpha-key' })).toBe(200);
    expect(await get('/v1/models', { 'x-api-key': 'beta-key' })).toBe(200);
    const { body } = await getJson(`${url}/v1/models`);
    expect(body).toEqual(errorShape);
    expect(body.error).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
  });

  it('have limits of their own, and come from the file as it is now', async () => {
    const file = join(folder, 'limited');
    writeFileSync(file, 'one texts=2\n');
    const { url } = await tinyServer({ model: 'slow', apiKeyFile: file });
    const ask = (key: string, body: object) =>
      postTo(`${url}/v1/completions`, body, { headers: { ...json, authorization: `Bearer ${key}` } });
    const running = ask('one', { prompt: 'x', n: 2, max_tokens: 60 });
    await waitFor(async () => (await getJson(`${url}/health`)).body.active === 2);
    const refused = await ask('one', { prompt: 'x' });
    expect([refused.status, refused.body.error.code]).toEqual([429, 'key_limit']);
    expect((await running).status).toBe(200);
    expect((await ask('one', { prompt: 'x', n: 2, max_tokens: 1 })).status).toBe(200);
    writeFileSync(`${file}.new`, 'two\n');
    renameSync(`${file}.new`, file);
    await waitFor(async () => (await ask('two', { prompt: 'x', max_tokens: 1 })).status === 200);
    expect((await ask('one', { prompt: 'x' })).status).toBe(401);
    writeFileSync(file, '');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await ask('two', { prompt: 'x', max_tokens: 1 })).status).toBe(200);
  });

  it.each([
    ['', 'has no key'],
    ['a b', 'line 1 of'],
    ['a texts=0', 'line 1 of'],
  ])('in a wrong file (%j) are not served', async (text, message) => {
    const file = join(folder, 'wrong');
    writeFileSync(file, text);
    await expect(tinyServer({ apiKeyFile: file })).rejects.toThrow(message);
  });
});

describe('other web sites', () => {
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-a' };
  const ask = async (url: string, origin: string) => {
    const before = await fetch(`${url}/v1/completions`, {
      method: 'OPTIONS',
      headers: { origin, ...preflight },
    });
    const { headers } = await fetch(`${url}/health`, { headers: { origin } });
    return [
      before.status,
      before.headers.get('access-control-allow-headers'),
      headers.get('access-control-allow-origin'),
    ];
  };

  it('are let in by name', async () => {
    const { url } = await tinyServer({ corsOrigins: ['https://good.example'] });
    expect(await ask(url, 'https://good.example')).toEqual([204, 'x-a', 'https://good.example']);
    expect(await ask(url, 'https://good.example.evil.example')).toEqual([405, null, null]);
  });

  it('are kept out by default, and all let in by *', async () => {
    expect(await ask((await tinyServer()).url, 'https://good.example')).toEqual([405, null, null]);
    const { url } = await tinyServer({ corsOrigins: ['*'] });
    expect(await ask(url, 'https://any.example')).toEqual([204, 'x-a', '*']);
  });
});

it('TLS needs both files, and they must be there', async () => {
  await expect(tinyServer({ tlsKey: 'x' })).rejects.toThrow('tlsCert is missing');
  await expect(tinyServer({ tlsKey: '/nothing/k', tlsCert: '/nothing/c' })).rejects.toThrow(
    'cannot read /nothing/k',
  );
});
