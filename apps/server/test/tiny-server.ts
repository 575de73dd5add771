import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { tinyTokenizer } from './tiny-tokenizers.ts';
import { type EngineThread, type RunningServer, type ServerOptions, startServer } from '../src/index.ts';

const loader = fileURLToPath(new URL('../../../scripts/run-source.mjs', import.meta.url));

/** Options of Node that run this workspace from its sources. */
export const sourceArgv = ['--conditions=@cria/source', '--import', loader];

export const tinyThread: EngineThread = {
  url: new URL('./tiny-thread.ts', import.meta.url),
  execArgv: sourceArgv,
  tokenizer: tinyTokenizer,
  prompts: { url: new URL('./tiny-prompts.ts', import.meta.url), execArgv: sourceArgv },
  grammars: { url: new URL('../src/grammar-worker.ts', import.meta.url), execArgv: sourceArgv },
};

export const tinyDesk: EngineThread = {
  url: new URL('./tiny-desk.ts', import.meta.url),
  execArgv: sourceArgv,
};

/** A server on a free port that ends with the test (or, made outside of one, when it is closed). */
export async function tinyServer(
  options: Partial<ServerOptions> & { untilClosed?: boolean } = {},
): Promise<RunningServer> {
  const { untilClosed, ...rest } = options;
  const own = { model: 'tiny', port: 0, drainSeconds: 5, thread: tinyThread, deskThread: tinyDesk };
  const server = await startServer({ ...own, ...rest });
  if (!untilClosed) onTestFinished(() => server.close());
  return server;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look at answers field by field.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export function post(url: string, body: unknown, init: RequestInit = {}): Promise<Answer> {
  return postTo(`${url}/v1/completions`, body, init);
}

export async function postTo(url: string, body: unknown, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
  return answer(response);
}

/** What a server answers to bytes, until it closes the connection or 5 s of silence. */
export function sendRaw(url: string, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let all = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end(bytes));
    socket.setTimeout(5000, () => socket.destroy());
    socket.on('error', () => {}); // an answer sent before the last byte came closes the connection early
    socket.on('data', (data) => (all += data)).on('close', () => resolve(all));
  });
}

/** What every error looks like. */
export const errorShape = {
  error: {
    message: expect.any(String),
    type: expect.any(String),
    param: expect.toSatisfy(orNull),
    code: expect.toSatisfy(orNull),
  },
};
function orNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

export async function getJson(url: string): Promise<Answer> {
  return answer(await fetch(url));
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

/** The data of each event of a stream, `[DONE]` included. */
export async function* streamEvents(response: Response): AsyncGenerator<string> {
  let rest = '';
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const parts = rest.split('\n\n');
    rest = parts.pop()!;
    for (const part of parts) if (!part.startsWith(':')) yield part.slice('data: '.length);
  }
  if (rest !== '') throw new Error(`the stream ends inside an event: ${rest}`);
}

export async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('waited 5 s in vain');
}
