/*
 * Generation through the whole engine (scheduler, paged cache, sampling, text) with random weights:
 * tokens a second of a prompt, of one sequence and of several together; and the weights read a
 * second, which is what bounds one sequence.
 *
 *   npm run bench -- generate [--json] [--presets 15m,110m] [--threads 1,2] [--tokens 128] [--rounds 3]
 */
import { parseArgs } from 'node:util';
import { cpu } from '@cria/cpu';
import { Engine } from '@cria/inference';
import { countParameters, Llama, preset } from '@cria/layers';
import { SentencePieceTrainer } from '@cria/tokenizer';
import { median, report } from '../../../scripts/support/report.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    presets: { type: 'string', default: '15m,110m' },
    threads: { type: 'string', default: '1,2' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
  },
});
const tokens = Number(values.tokens);
const rounds = Number(values.rounds);

const trainer = new SentencePieceTrainer({ vocabSize: 300 });
trainer.add('the quick brown fox jumps over the lazy dog, then sleeps. '.repeat(50));
const tokenizer = trainer.finish();

for (const name of values.presets.split(',')) {
  for (const threads of values.threads.split(',').map(Number)) await bench(name, threads);
}

async function bench(name: string, threads: number): Promise<void> {
  using device = cpu({ threads });
  using model = new Llama(preset(name), { device });
  model.parameters.allocate();
  model.parameters.initialize(0);
  model.pack();
  // The input embedding is looked up, not read through.
  const { dim, vocabSize, tiedEmbeddings } = model.config;
  const read = 4 * (countParameters(model.config) - (tiedEmbeddings ? 0 : dim * vocabSize));
  await using engine = new Engine({ model, tokenizer, maxSequences: 8, prefixCache: false });
  const rates: Record<'prompt' | 'one' | 'eight', number[]> = { prompt: [], one: [], eight: [] };
  await timed(engine, 1, 4, 4);
  for (let round = 0; round < rounds; round++) {
    const first = await timed(engine, 1, tokens, 1);
    rates.prompt.push(tokens / first);
    rates.one.push((tokens - 1) / ((await timed(engine, 1, 1, tokens)) - (await timed(engine, 1, 1, 1))));
    rates.eight.push(
      (8 * (tokens - 1)) / ((await timed(engine, 8, 1, tokens)) - (await timed(engine, 8, 1, 1))),
    );
  }
  show(name, threads, `prompt of ${tokens}`, median(rates.prompt));
  show(name, threads, 'one sequence', median(rates.one), (median(rates.one) * read) / 1e9);
  show(name, threads, 'eight together', median(rates.eight));
}

/** Seconds for `count` requests at once: so many prompt tokens, so many generated. */
async function timed(
  engine: Engine,
  count: number,
  promptTokens: number,
  maxTokens: number,
): Promise<number> {
  const prompt = Int32Array.from({ length: promptTokens }, (_, i) => 3 + ((i * 37) % 290));
  const start = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, seed) => {
      const request = { prompt, maxTokens, seed, ignoreEos: true, temperature: 0.8 };
      for await (const _chunk of engine.generate(request));
    }),
  );
  return (performance.now() - start) / 1000;
}

function show(preset: string, threads: number, work: string, value: number, read?: number): void {
  const note = read === undefined ? '' : `${read.toFixed(1)} GB/s of weights`;
  report({ name: `${preset} f32, ${work}`, threads, value, unit: 'tokens/s' }, values.json, note);
}
