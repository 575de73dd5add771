import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { cpuAvailability } from '@cria/cpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../../scripts/support/bundle.ts';
import { loadNativeCalls, nativeCallsFile } from '../../../scripts/support/native-calls.ts';
import { llamaConfig } from '../src/index.ts';
import { expectClose, randomIds } from './support/numbers.ts';
import type { RankNumbers, RankTask } from './support/rank-child.ts';
import { type Meeting, meeting } from './support/rank-group.ts';

/*
 * The seam of a layout: two ranks, threads with a device each, have half of the heads and half of
 * the hidden width, made by factories, and meet in calls of their devices' lists. Every number is
 * that of one rank: drawn values to the bit, losses, gradients and logits as exact as the sums are.
 */

const RANKS = 2;
const config = llamaConfig({
  dim: 16,
  nLayers: 2,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 6,
  ffnDim: 20,
  vocabSize: 31,
  contextLength: 32,
});
const ids = [...randomIds(9, 3, config.vocabSize)];
const targets = [...randomIds(9, 4, config.vocabSize)].fill(-100, 2, 3);
const weights = ids.map((_, t) => [1, 0.5, 0, 2, -1][t % 5]!);
const task = { device: 'reference', config, recompute: 'none', ids, targets, vocabulary: false } as const;

const folder = mkdtempSync(join(tmpdir(), 'cria-ranks-'));
let program = '';
beforeAll(async () => {
  program = await bundle(new URL('support/rank-child.ts', import.meta.url), folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

function rankOf(task: RankTask): Promise<RankNumbers> {
  const worker = new Worker(program, { workerData: task });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

async function compare(
  task: Omit<RankTask, 'rank' | 'meeting'>,
  native: Meeting['native'],
  tolerance: number,
): Promise<readonly RankNumbers[]> {
  const together = meeting(RANKS, ids.length * Math.max(config.dim, config.vocabSize), native);
  const [whole, ...ranks] = await Promise.all([
    rankOf({ ...task, rank: 0 }),
    ...Array.from({ length: RANKS }, (_, rank) => rankOf({ ...task, rank, meeting: together })),
  ]);
  for (const { losses, logits, parameters } of ranks) {
    expectClose(losses, whole!.losses, tolerance, 'losses');
    expectClose(logits, whole!.logits, tolerance, 'logits');
    expect(parameters.map(({ name }) => name)).toEqual(whole!.parameters.map(({ name }) => name));
    for (const [i, { name, shape, part, values, gradient }] of parameters.entries()) {
      const all = whole!.parameters[i]!;
      const places = indices(shape, part ?? { of: shape, begin: shape.map(() => 0) });
      expect(values, name).toEqual(places.map((at) => all.values[at]));
      expectClose(
        gradient,
        places.map((at) => all.gradient[at]!),
        tolerance,
        name,
      );
    }
  }
  return ranks;
}

/** Where the elements of a part stand in its whole. */
function indices(
  shape: readonly number[],
  { of, begin }: { of: readonly number[]; begin: readonly number[] },
) {
  const [rows = 1, columns = 1] = shape.length === 1 ? [1, shape[0]!] : shape;
  const [top = 0, left = 0] = begin.length === 1 ? [0, begin[0]!] : begin;
  return Array.from(
    { length: rows * columns },
    (_, i) => (top + Math.floor(i / columns)) * of.at(-1)! + left + (i % columns),
  );
}

describe('two ranks are one', () => {
  test.each(['none', 'selective', 'full'] as const)(
    'on the reference device in f64, recompute %s, with four reductions a block',
    async (recompute) => {
      const ranks = await compare({ ...task, recompute }, undefined, 1e-13);
      const aBlock = recompute === 'full' ? 6 : 4; // the forward pass again
      for (const { reductions, parameters } of ranks) {
        expect(reductions).toBe(aBlock * config.nLayers);
        const cut = parameters.filter(({ part }) => part).map(({ name }) => name);
        expect(cut).toHaveLength(7 * config.nLayers);
      }
    },
    120_000,
  );

  test('with tied embeddings', async () => {
    await compare({ ...task, config: { ...config, tiedEmbeddings: true } }, undefined, 1e-13);
  }, 120_000);

  describe('that share the vocabulary', () => {
    test.each([
      ['an output of its own', false, undefined],
      ['tied embeddings', true, undefined],
      ['an output of its own and weights of rows', false, weights],
      ['tied embeddings and weights of rows', true, weights],
    ] as const)(
      '%s',
      async (_, tiedEmbeddings, weights) => {
        const shared = { ...task, config: { ...config, tiedEmbeddings }, vocabulary: true };
        const ranks = await compare({ ...shared, ...(weights && { weights }) }, undefined, 1e-13);
        for (const { reductions, parameters, losses } of ranks) {
          // Behind the embedding; the shares of the softmax; the gradient of the hidden states.
          expect(reductions).toBe(4 * config.nLayers + 3);
          const whole = parameters.filter(({ part }) => !part).map(({ name }) => name);
          expect(whole.every((name) => name.includes('norm'))).toBe(true);
          expect(losses).toEqual(ranks[0]!.losses);
        }
      },
      120_000,
    );
  });

  const file = cpuAvailability().available ? nativeCallsFile() : undefined;
  test.skipIf(file === undefined).each([false, true])(
    'on the cpu, reducing inside lists over storages of both; steps that generate are recorded with ' +
      'their calls; vocabulary shared: %s',
    async (vocabulary) => {
      const context = loadNativeCalls(file!).group(RANKS);
      const native = { file: file!, context };
      const ranks = await compare(
        { ...task, device: 'cpu', recompute: 'selective', vocabulary, weights },
        native,
        2e-5,
      );
      for (const { repeated } of ranks) expect(repeated).toBeGreaterThan(ids.length / 2);
    },
    120_000,
  );
});
