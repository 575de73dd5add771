import { connect } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { EngineFailure, startServer } from '../src/index.ts';
import { main, type World } from '../src/program.ts';
import { getJson, post, streamEvents, tinyServer, tinyThread, waitFor } from './tiny-server.ts';

const stream = (url: string, body: object) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  });

describe('close()', () => {
  it('lets running texts end, and refuses new ones meanwhile', async () => {
    const server = await tinyServer({ model: 'slow' });
    const running = post(server.url, { prompt: 'x', max_tokens: 80 });
    await waitFor(async () => (await getJson(`${server.url}/health`)).body.active === 1);
    const closed = server.close();
    const refused = await post(server.url, { prompt: 'y' });
    expect([refused.status, refused.headers.get('retry-after'), refused.body.error.code]).toEqual([
      503,
      '5',
      'draining',
    ]);
    expect((await getJson(`${server.url}/health`)).status).toBe(503);
    expect((await running).body.usage.completion_tokens).toBe(80);
    await closed;
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('ends what takes too long with an error in its stream', async () => {
    const server = await tinyServer({ model: 'slow', drainSeconds: 0 });
    const response = await stream(server.url, { prompt: 'x', max_tokens: 250 });
    const events = streamEvents(response);
    await events.next();
    const closed = server.close();
    const rest: string[] = [];
    for await (const data of events) rest.push(data);
    await closed;
    expect(JSON.parse(rest.pop()!).error).toMatchObject({ type: 'server_error', code: 'engine_closed' });
  });
});

it('close() does not wait for connections on which no request ever came', async () => {
  const server = await tinyServer();
  const gone = new Promise((resolve) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () =>
      resolve(new Promise((ended) => socket.on('close', ended))),
    );
  });
  await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 50))]);
  await server.close();
  await gone;
});

describe('a broken engine', () => {
  it('answers 500 without its inner life, streamed or not, and tells the owner', async () => {
    const onFailure = vi.fn<(failure: EngineFailure) => void>();
    const server = await tinyServer({ model: 'broken', onFailure });
    const response = await post(server.url, { prompt: 'x' });
    expect([response.status, response.body.error]).toEqual([
      500,
      { message: 'the engine failed.', type: 'server_error', param: null, code: 'engine_failed' },
    ]);
    await waitFor(() => onFailure.mock.calls.length === 1);
    expect(onFailure).toHaveBeenCalledWith(new EngineFailure('[device] lost.'));
    expect((await post(server.url, { prompt: 'x' })).status).toBe(500);
    expect((await getJson(`${server.url}/health`)).body.status).toBe('failed');
  });

  it('that fails while a text streams ends the stream with an error', async () => {
    const server = await tinyServer({ model: 'broken' });
    const data: string[] = [];
    for await (const each of streamEvents(await stream(server.url, { prompt: 'x' }))) data.push(each);
    expect(data.map((each) => JSON.parse(each).error.code)).toEqual(['engine_failed']);
  });

  it('whose thread dies is told as such', async () => {
    const onFailure = vi.fn<(failure: EngineFailure) => void>();
    const server = await tinyServer({ model: 'dying', onFailure });
    expect((await post(server.url, { prompt: ['x', 'y'] })).status).toBe(500);
    expect(onFailure).toHaveBeenCalledWith(new EngineFailure('[engine] its thread ended with code 3.'));
    await server.close();
  });

  it('is not what a bug in one request is: 500, a report, and the server goes on', async () => {
    const onError = vi.fn<(error: unknown) => void>();
    const server = await tinyServer({ model: 'cursed', onError });
    const { status, body } = await post(server.url, { prompt: 'x' });
    expect([status, body.error]).toMatchObject([500, { code: 'internal_error', type: 'server_error' }]);
    expect(JSON.stringify(body)).not.toContain('a bug');
    expect(onError.mock.calls.map(([error]) => String(error))).toEqual(['TypeError: a bug']);
    expect((await post(server.url, { prompt: [1] })).status).toBe(200);
  });

  it('that cannot be loaded, or crashes while it loads, is an error of startServer', async () => {
    await expect(tinyServer({ model: 'absent' })).rejects.toThrow('[openCheckpoint] cannot open absent');
    const thread = { url: new URL('data:text/javascript,throw new Error("out of luck")') };
    await expect(startServer({ model: 'x', port: 0, thread })).rejects.toThrow(
      'its thread crashed: out of luck',
    );
  });
});

describe('cria-server', () => {
  async function program(...args: string[]) {
    const texts = { out: '', errors: '' };
    const stops: (() => void)[] = [];
    const world: World = {
      out: { write: (text) => (texts.out += text) },
      errors: { write: (text) => (texts.errors += text) },
      onStop: (stop) => {
        stops.push(stop);
        return () => {};
      },
      thread: tinyThread,
    };
    const code = main(args, world);
    return { texts, code, stop: () => stops[0]?.() };
  }

  it('prints its address, and ends with 0 when it is told to stop', async () => {
    const { texts, code, stop } = await program('--model', 'tiny', '--port', '0');
    await waitFor(() => texts.out.includes('http://'));
    const [, url] = /^tiny \(\d+(?:\.\d+)?K parameters\) on .* at (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(
      texts.out,
    )!;
    expect((await post(url!, { prompt: 'x' })).status).toBe(200);
    stop();
    expect([await code, texts.errors]).toEqual([0, '']);
  });

  it('ends with 1 and a reason when the engine breaks', async () => {
    const { texts, code } = await program('--model', 'broken', '--port', '0');
    await waitFor(() => texts.out.includes('http://'));
    const url = /http:\S+/.exec(texts.out)![0];
    expect((await post(url, { prompt: 'x' })).status).toBe(500);
    expect([await code, texts.errors]).toEqual([1, '[device] lost.\n']);
  });

  it('ends with 1 when the engine breaks while running texts end', async () => {
    const { texts, code, stop } = await program('--model', 'fragile', '--port', '0');
    await waitFor(() => texts.out.includes('http://'));
    const url = /http:\S+/.exec(texts.out)![0];
    const running = post(url, { prompt: 'x', max_tokens: 250 });
    await waitFor(async () => (await getJson(`${url}/health`)).body.active === 1);
    stop();
    expect((await running).status).toBe(500);
    expect([await code, texts.errors]).toEqual([1, '[device] lost.\n']);
  });

  it('ends with 1 when the port is in use, the model is absent, or a flag is wrong', async () => {
    const server = await tinyServer();
    const port = new URL(server.url).port;
    for (const [args, message] of [
      [
        ['--model', 'tiny', '--port', port],
        `[cria-server] port ${port} of 127.0.0.1 is in use. hint: choose another with --port`,
      ],
      [['--model', 'absent', '--port', '0'], '[openCheckpoint] cannot open absent (ENOENT)'],
      [['--modle', 'x'], 'unknown flag --modle. hint: did you mean --model?'],
      [['--model'], '--model needs a value'],
      [['--model', '--port', '1'], '--model needs a value'],
      [['--model', 'x', '--port', '70000'], '--port is "70000". hint: give a whole number from 0 to 65535'],
      [['--model', 'x', '--device', 'gpu'], '--device is "gpu". hint: did you mean cpu?'],
      [['x.bin'], '"x.bin" is not a flag. hint: write --model x.bin'],
      [[], '--model is missing'],
    ] as const) {
      const { texts, code } = await program(...args);
      expect([await code, texts.out]).toEqual([1, '']);
      expect(texts.errors).toContain(message);
      expect(texts.errors.split('\n').length).toBe(2);
    }
  });

  it('--help names every flag', async () => {
    const { texts, code } = await program('--help');
    expect(await code).toBe(0);
    for (const flag of ['model', 'tokenizer', 'port', 'host', 'device', 'threads', 'max-sequences'])
      expect(texts.out).toContain(`--${flag} `);
  });
});
