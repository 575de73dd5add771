import { type Device, openStep, reference } from '@cria/tensor';
import { describe, expect, test } from 'vitest';
import type { Llama } from '../src/index.ts';
import { vectorCases } from '../../../scripts/support/vectors.ts';
import { devices } from './support/devices.ts';
import { readConfig, readJson, readSafetensors, toMeta } from './support/fixtures.ts';
import { makeLlama, randomWeights, shapes } from './support/models.ts';
import { randomIds } from './support/numbers.ts';
import { oracleLogits } from './support/oracle.ts';
import { lastLogits, TestCache } from './support/paged-cache.ts';

/** A file of `generation/`: what a model makes of some prompts. */
interface Generation {
  /** Folder of the model below the vectors. */
  readonly model: string;
  readonly runs: readonly {
    readonly prompt: number[];
    readonly ids: number[];
    readonly steps: readonly { readonly top_ids: number[]; readonly top_logits: number[] }[];
  }[];
}

const argmax = (row: readonly number[]) => row.indexOf(Math.max(...row));

/**
 * Greedy continuations of several prompts at once, which enter the cache in pieces of odd sizes and
 * decode side by side.
 */
async function generate(
  model: Llama,
  prompts: readonly (readonly number[])[],
  count: number,
): Promise<number[][]> {
  const cache = new TestCache(model.device, model.config, prompts.length);
  const waiting = prompts.map((prompt) => [...prompt]);
  const results: number[][] = prompts.map(() => []);
  for (let round = 0; results.some((ids) => ids.length < count); round++) {
    const chunks = waiting.flatMap((ids, sequence) => {
      const tokens = ids.splice(0, 1 + 2 * ((round + sequence) % 3));
      return tokens.length > 0 ? [{ sequence, tokens }] : [];
    });
    const logits = await lastLogits(model, chunks, cache.append(chunks));
    for (const [i, { sequence }] of chunks.entries()) {
      const result = results[sequence]!;
      if (waiting[sequence]!.length > 0 || result.length === count) continue;
      result.push(argmax(logits[i]!));
      if (result.length < count) waiting[sequence]!.push(result.at(-1)!);
    }
  }
  return results;
}

describe.each(devices)('on $name', ({ open }) => {
  test.each(Object.entries(shapes))(
    '%s: a paged cache filled in pieces gives the logits of the whole sequence',
    async (_, config) => {
      using device: Device = open();
      const weights = randomWeights(config, reference());
      const model = makeLlama(config, device, weights);
      const sequences = [Array.from(randomIds(17, 3, 23)), Array.from(randomIds(9, 4, 23))];
      const expected = sequences.map((ids) => oracleLogits(config, weights, ids, 'adjacent'));
      const cache = new TestCache(device, config, 2);
      const done = [0, 0];
      for (const lengths of [
        [3, 1],
        [1, 5],
        [7, 1],
        [1, 1],
        [5, 1],
      ]) {
        const chunks = lengths.map((length, sequence) => ({
          sequence,
          tokens: sequences[sequence]!.slice(done[sequence]!, (done[sequence]! += length)),
        }));
        const logits = await lastLogits(model, chunks, cache.append(chunks));
        for (const [sequence, row] of logits.entries()) {
          const wanted = expected[sequence]![done[sequence]! - 1]!;
          for (const [id, logit] of row.entries()) expect(Math.abs(logit - wanted[id]!)).toBeLessThan(2e-4);
        }
      }
    },
  );

  test.each(vectorCases('generation', '.json'))('%s: greedy ids of transformers', async (name) => {
    using device = open();
    const { model: place, runs }: Generation = readJson(`generation/${name}.json`);
    const config = readConfig(`${place}/config.json`);
    const model = makeLlama(config, device, toMeta(config, readSafetensors(`${place}/model.safetensors`)));
    // Through the cache, all prompts together.
    const longest = Math.max(...runs.map(({ ids }) => ids.length));
    const prompts = runs.map(({ prompt }) => prompt);
    const made = await generate(model, prompts, longest);
    expect(made.map((ids, i) => ids.slice(0, runs[i]!.ids.length))).toEqual(runs.map(({ ids }) => ids));

    // By full recomputation: row t of a causal model is what a run over the first t + 1 tokens gives.
    for (const { prompt, ids, steps } of runs) {
      const tokens = [...prompt, ...ids.slice(0, -1)];
      using step = openStep(device, { rows: tokens.length });
      const rows = ids.map((_, i) => prompt.length - 1 + i);
      const logits = await model.logits(model.forward(model.tokens(tokens, step), step), step, rows).read();
      for (const [i, { top_ids, top_logits }] of steps.entries()) {
        const row = Array.from(logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize));
        expect(argmax(row)).toBe(ids[i]);
        for (const [rank, id] of top_ids.entries())
          expect(Math.abs(row[id]! - top_logits[rank]!)).toBeLessThan(1e-4);
      }
    }
  });
});
