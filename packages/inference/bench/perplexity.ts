/*
 * Perplexity of a model in every type of weights, as it generates with them: npm run bench --
 * perplexity --model FILE --tokenizer FILE
 *   [--text FILE] [--json]
 * Without a text it is the story of the tests. Types whose blocks do not fit the model's rows are
 * stored as llama-quantize stores them.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Checkpoint, loadForInference, openCheckpoint } from '@cria/checkpoint';
import { cpu } from '@cria/cpu';
import { perplexity } from '@cria/evaluation';
import { loadTokenizer } from '@cria/tokenizer/node';
import { report } from '../../../scripts/support/report.ts';
import { largeBlocks, plainTypes, smallBlocks, storeAs } from '../test/stored-models.ts';
import { storyText } from '../test/story-text.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    tokenizer: { type: 'string' },
    text: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
if (values.model === undefined) {
  console.error('[bench perplexity] no model was given. hint: --model FILE, a checkpoint in f32');
  process.exit(1);
}
const source = await openCheckpoint(values.model);
const tokenizer = await loadTokenizer(values.tokenizer ?? values.model);
const text = values.text === undefined ? storyText : readFileSync(values.text, 'utf8');
/** Change that is allowed, in percent. */
const targets: Partial<Record<string, number>> = { q8_0: 0.5 };

const plain = await measure(await storeAs(source, 'f32'));
for (const type of [...plainTypes, ...smallBlocks, ...largeBlocks]) {
  const value = await measure(await storeAs(source, type));
  const change = (value / plain - 1) * 100;
  const allowed = targets[type] === undefined ? '' : `, at most ${targets[type]} %`;
  const note = `${change >= 0 ? '+' : ''}${change.toFixed(3)} %${allowed}`;
  const row = { name: `perplexity ${type}`, threads: availableParallelism(), value, unit: '' };
  report({ ...row, peer: 'f32', peerValue: plain, ratio: plain / value }, values.json, note);
}

async function measure(checkpoint: Checkpoint): Promise<number> {
  using device = cpu();
  using loaded = await loadForInference(checkpoint, device);
  return (await perplexity(loaded.model, tokenizer, text)).perplexity;
}
