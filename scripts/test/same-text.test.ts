import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadForInference, openModel, saveHuggingFace } from '../../packages/checkpoint/src/index.ts';
import { openDevice } from '../../packages/cpu/src/index.ts';
import { collect, Engine } from '../../packages/inference/src/index.ts';
import { Llama, llamaConfig } from '../../packages/layers/src/index.ts';
import { SentencePieceTrainer } from '../../packages/tokenizer/src/index.ts';
import { saveTokenizer } from '../../packages/tokenizer/src/node.ts';
import { afterAll, describe, expect, it } from 'vitest';
import { main } from '../../apps/trainer/src/program.ts';
import { startServer } from '../../apps/server/src/index.ts';
import { post, sourceArgv, streamEvents } from '../../apps/server/test/tiny-server.ts';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));
const story = join(shared, 'data/models/stories260K.bin');
const tokenizer = join(shared, 'data/models/tok512.bin');
if (!existsSync(shared)) console.warn(`skipped the models of ${shared}: they are not here`);

/** Files and folders below a place that may be models: what ends like one, and folders with a configuration. */
function modelsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return existsSync(join(path, 'config.json')) ? [path] : modelsIn(path);
    return name.endsWith('.gguf') ? [path] : [];
  });
}

interface Asked {
  readonly model: string;
  readonly tokenizer?: string;
}

const converted = mkdtempSync(join(tmpdir(), 'cria-same-'));
afterAll(() => rmSync(converted, { recursive: true }));

async function cria(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  const printed = { out: '', errors: '' };
  const write = (name: 'out' | 'errors') => (text: string) => (printed[name] += text);
  const now = () => performance.now() / 1000;
  const world = {
    out: { write: write('out') },
    errors: { write: write('errors') },
    now,
    time: now,
    tell() {},
  };
  return { code: await main(args, world), ...printed };
}

/** A model of a few random numbers, where there is no other: all ways must say the same nonsense. */
async function randomModel(): Promise<string> {
  const folder = join(converted, 'random');
  using device = openDevice({ threads: 1 }).device;
  const config = llamaConfig({ dim: 32, nLayers: 2, nHeads: 4, vocabSize: 300, contextLength: 128 });
  using model = new Llama(config, { device });
  model.parameters.allocate();
  model.parameters.initialize(1);
  await saveHuggingFace(folder, config, model.parameters);
  const trainer = new SentencePieceTrainer({ vocabSize: 300 });
  trainer.add('once upon a time there was a llama, and hi said the llama to the other llama. '.repeat(9));
  await saveTokenizer(join(folder, 'tokenizer.model'), trainer.finish());
  return folder;
}

/** Every model of the shared folder, and one of them in every format that `cria convert` writes. */
async function models(): Promise<[string, Asked][]> {
  if (!existsSync(story)) return [['a random model', { model: await randomModel() }]];
  const found: [string, Asked][] = [['stories260K.bin', { model: story, tokenizer }]];
  for (const to of ['hf', 'gguf', 'meta', 'llama2c']) {
    const path = join(converted, to === 'gguf' ? 'stories.gguf' : to === 'llama2c' ? 'stories.bin' : to);
    const { code, errors } = await cria('convert', story, path, '--to', to, '--tokenizer', tokenizer);
    if (code !== 0) throw new Error(errors);
    found.push([`stories260K as ${to}`, { model: path }]);
  }
  for (const path of [...modelsIn(join(shared, 'data/models')), ...modelsIn(join(shared, 'faults'))])
    found.push([path.slice(shared.length), { model: path }]);
  return found;
}

const requests = [
  { prompt: '', maxTokens: 60, temperature: 0, seed: 1 },
  { prompt: 'Once', maxTokens: 5, temperature: 0, seed: 1 },
  { prompt: 'hi', maxTokens: 30, temperature: 1.3, topP: 0.9, topK: 40, seed: 7 },
];
type Request = (typeof requests)[number];

interface Text {
  readonly text: string;
  readonly tokens: number;
}

/** The text of each request, or the message that refuses the model. */
type Way = (asked: Asked) => Promise<Text[] | string>;

const byLibrary: Way = async ({ model: path, ...options }) => {
  let loaded;
  using device = openDevice({ threads: 1 }).device;
  try {
    const { checkpoint, tokenizer, stopIds: eosIds } = await openModel(path, options);
    loaded = await loadForInference(checkpoint, device);
    await using engine = new Engine({ model: loaded.model, tokenizer, eosIds, cacheDType: 'bf16' });
    const texts = await Promise.all(requests.map((request) => collect(engine.generate(request))));
    for (const { ids, finishReason } of texts)
      if (finishReason === 'stop') expect(eosIds).toContain(ids.at(-1));
    return texts.map(({ text, usage }) => ({ text, tokens: usage.completionTokens }));
  } catch (error) {
    if (loaded) throw error;
    return (error as Error).message;
  }
};

const bySample: Way = async ({ model, ...rest }) => {
  const texts: Text[] = [];
  for (const { prompt, maxTokens, temperature, seed, ...more } of requests) {
    const flags = {
      model,
      ...rest,
      prompt,
      'max-tokens': maxTokens,
      temperature,
      seed,
      threads: 1,
      ...names(more),
    };
    const args = Object.entries({ 'top-p': 1, ...flags }).map(([name, value]) => `--${name}=${value}`);
    const { code, out, errors } = await cria('sample', ...args);
    if (code !== 0) return errors.trim();
    const tokens = Number(/\((\d+) tokens/.exec(errors)?.[1]);
    texts.push({ text: out.slice(prompt.length, -1), tokens });
  }
  return texts;
};

function names({ topP, topK }: Partial<Request>): object {
  return { ...(topP !== undefined && { 'top-p': topP }), ...(topK !== undefined && { 'top-k': topK }) };
}

const byServer: Way = async (asked) => {
  const file = (name: string) => new URL(`../../apps/server/src/${name}.ts`, import.meta.url);
  const thread = { url: file('engine-worker'), execArgv: sourceArgv };
  let server;
  try {
    server = await startServer({ ...asked, port: 0, threads: 1, thread });
  } catch (error) {
    return (error as Error).message;
  }
  const { url } = server;
  const texts = requests.map(async ({ prompt, maxTokens, temperature, seed, ...more }) => {
    const { topP: top_p, topK: top_k } = more as Partial<Request>;
    const body = { prompt, max_tokens: maxTokens, temperature, seed, top_p, top_k };
    const whole = (await post(url, body)).body;
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream: true }),
    });
    let streamed = '';
    for await (const data of streamEvents(response))
      if (data !== '[DONE]') streamed += JSON.parse(data).choices[0].text;
    expect(streamed).toBe(whole.choices[0].text);
    return { text: streamed, tokens: whole.usage.completion_tokens as number };
  });
  const all = await Promise.all(texts);
  await server.close();
  return all;
};

describe.each(await models())('%s', (_, asked) => {
  it(
    'gives the same texts, and stops at the same ids, by library, sample and server',
    { timeout: 120_000 },
    async () => {
      const library = await byLibrary(asked);
      expect(await bySample(asked)).toEqual(library);
      expect(await byServer(asked)).toEqual(library);
    },
  );
});
