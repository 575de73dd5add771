/**
 * What the device chooses is what the plain samplers choose from its logits, in texts that come and
 * go together, and only ids leave it.
 */
import { cpu, cpuAvailability } from '@cria/cpu';
import { type Device, reference } from '@cria/tensor';
import { describe, expect, it, vi } from 'vitest';
import type { Constraint, GenerationRequest, SamplingOptions } from '../src/index.ts';
import { run, tinyModel } from './tiny-model.ts';

const { isas } = cpuAvailability();
const devices: [string, () => Device][] = [
  ['reference', reference],
  ...(isas.length > 0 ? ([['cpu', () => cpu({ threads: 2 })]] as [string, () => Device][]) : []),
];

/** Every id but those of one remainder, which changes from place to place. */
class Remainders implements Constraint {
  readonly isComplete = false;
  #count = 0;
  mask(bits: Uint32Array): void {
    bits.fill(0);
    for (let id = 0; id < 258; id++) if (id % 3 !== this.#count % 3) bits[id >>> 5]! |= 1 << (id & 31);
  }
  accept(): void {
    this.#count++;
  }
}

const options: Readonly<Record<string, SamplingOptions & { readonly constraint?: true }>> = {
  greedy: { temperature: 0 },
  plain: {},
  hot: { temperature: 1.4, topK: 40, topP: 0.95, minP: 0.01 },
  last: { temperature: 1.4, topK: 40, topP: 0.9, samplers: 'llama.cpp' },
  penalties: { repetitionPenalty: 1.2, presencePenalty: 0.3, frequencyPenalty: 0.4, topP: 0.9 },
  window: { repetitionPenalty: 1.5, penaltyLastN: 6, temperature: 0 },
  banned: { bannedIds: [1, 2, 3, 100, 257], topP: 0.8 },
  allowed: { allowedIds: [60, 61, 62, 63, 64, 200], presencePenalty: 1 },
  late: { minTokens: 9, temperature: 0.8 },
  constrained: { constraint: true, topK: 20 },
};

/** The same choice, which no kernel knows how to make. */
const onHost = { logitBias: [[7, 0]] } as const;

describe.each(devices)('on %s', (_, create) => {
  const requests = (more: SamplingOptions): Record<string, GenerationRequest> =>
    Object.fromEntries(
      Object.entries(options).map(([name, { constraint, ...rest }], i) => [
        name,
        {
          prompt: `text number ${i}`,
          maxTokens: 20,
          seed: i,
          ...rest,
          ...more,
          ...(constraint && { constraint: new Remainders() }),
        },
      ]),
    );

  it('gives the texts of the plain samplers', async () => {
    using device = create();
    const model = tinyModel(device);
    const sample = vi.spyOn(device.kernels, 'sample');
    const read = vi.spyOn(model, 'predict');
    const { texts } = await run(model, requests({}), { maxBatchRows: 16, maxSequences: 6 });
    const chosen = sample.mock.calls.length;
    expect(chosen).toBeGreaterThan(20);
    const { texts: plain } = await run(model, requests(onHost), { maxBatchRows: 16, maxSequences: 6 });
    expect(sample.mock.calls.length).toBe(chosen);
    expect(read).toHaveBeenCalled();
    for (const name of Object.keys(options)) {
      expect(texts[name]?.ids.length, name).toBeGreaterThan(0);
      expect(texts[name], name).toEqual(plain[name]);
    }
  });

  it('ends no text before `minTokens`, and chooses nothing that is banned', async () => {
    using device = create();
    const model = tinyModel(device);
    const many = Object.fromEntries(
      Array.from({ length: 12 }, (_, seed) => [
        `${seed}`,
        {
          prompt: 'a',
          seed,
          maxTokens: 12,
          allowedIds: [2, 65, 66],
          bannedIds: [66],
          minTokens: 5,
          temperature: 1e30,
        },
      ]),
    );
    const { texts } = await run(model, many, { eosIds: [2] });
    const lengths = Object.values(texts).map(({ ids }) => ids.length);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(6);
    // Where both may come, the end comes soon.
    expect(Math.min(...lengths)).toBeLessThan(12);
    const all = Object.values(texts).flatMap(({ ids }) => ids);
    expect(new Set(all)).toEqual(new Set([65, 2]));
  });

  it('ends a text alone whose constraint leaves nothing', async () => {
    using device = create();
    const model = tinyModel(device);
    const nothing: Constraint = { isComplete: false, mask: (bits) => void bits.fill(0), accept() {} };
    for (const more of [{}, onHost])
      await expect(run(model, { a: { prompt: 'a', constraint: nothing, ...more } })).rejects.toThrow(
        '[sampler] the model gives no chance to any id that may come.',
      );
  });
});
