import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openStep } from '@cria/tensor';
import {
  type Constraint,
  Engine,
  type GenerationChunk,
  type GenerationRequest,
  logProbabilitiesOf,
  type TokenLogProbability,
} from '../src/index.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';
import { tinyModel } from './tiny-model.ts';

const model = tinyModel();
afterAll(() => model.device[Symbol.dispose]());

/** By the definition, in the plainest way. */
function plainly(logits: readonly number[], id: number, top: number): TokenLogProbability {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const log = (each: number) => Math.log(Math.exp(logits[each]!) / total);
  const order = [...logits.keys()].toSorted((a, b) => logits[b]! - logits[a]! || a - b);
  return {
    id,
    logProbability: log(id),
    rank: order.indexOf(id),
    top: order.slice(0, top).map((each) => ({ id: each, logProbability: log(each) })),
  };
}

function expectClose(found: TokenLogProbability, expected: TokenLogProbability): void {
  expect([found.id, found.rank, found.top.map(({ id }) => id)]).toEqual([
    expected.id,
    expected.rank,
    expected.top.map(({ id }) => id),
  ]);
  const values = (each: TokenLogProbability) => [each, ...each.top].map((one) => one.logProbability);
  values(found).forEach((value, i) => expect(value).toBeCloseTo(values(expected)[i]!, 5));
}

describe('log-probabilities of a row', () => {
  it('are what the definition says', () => {
    // Quarters, so that equals are frequent.
    const rows = fc.array(
      fc.integer({ min: -40, max: 40 }).map((n) => n / 4),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(rows, fc.nat(), fc.nat(35), (row, at, top) => {
        const id = at % row.length;
        expectClose(logProbabilitiesOf(Float32Array.from(row), id, top), plainly(row, id, top));
      }),
    );
  });

  it('do not overflow', () => {
    const { logProbability, top } = logProbabilitiesOf(Float32Array.of(3e38, -3e38, 3e38), 0, 3);
    expect(logProbability).toBeCloseTo(Math.log(0.5));
    expect(top.map(({ id }) => id)).toEqual([0, 2, 1]);
  });
});

/** The model's logits after each id, in one pass without a cache. */
async function logitsOf(ids: readonly number[]): Promise<number[][]> {
  using step = openStep(model.device, { rows: ids.length });
  const all = await model.logits(model.forward(model.tokens(ids, step), step), step).toFloat32();
  const { vocabSize } = model.config;
  return ids.map((_, i) => [...all.subarray(i * vocabSize, (i + 1) * vocabSize)]);
}

async function read(engine: Engine, request: GenerationRequest) {
  const chunks: GenerationChunk[] = [];
  for await (const chunk of engine.generate(request)) chunks.push(chunk);
  return {
    ids: chunks.flatMap(({ ids }) => ids),
    own: chunks.flatMap(({ logProbabilities = [] }) => logProbabilities),
    prompt: chunks.flatMap(({ promptLogProbabilities = [] }) => promptLogProbabilities),
    usage: chunks.at(-1)!.usage,
  };
}

describe('log-probabilities of a text', () => {
  const prompt = [256, ...Buffer.from('a prompt of some length')];

  it.each([1, 5, 256])("and of its prompt are the model's, read in pieces of %i", async (prefillChunk) => {
    await using engine = new Engine({ model, tokenizer: byteTokenizer, prefillChunk });
    const options = { temperature: 0.8, seed: 3, maxTokens: 8, ignoreEos: true } as const;
    const plain = await read(engine, { prompt, ...options });
    const asked = { prompt, ...options, logProbabilities: 3, promptLogProbabilities: 2 };
    const { ids, own, prompt: ofPrompt, usage } = await read(engine, asked);
    expect(ids).toEqual(plain.ids);
    expect(usage.cachedTokens).toBe(0);
    const logits = await logitsOf([...prompt, ...ids]);
    const next = (i: number, all: readonly number[], top: number) =>
      plainly(logits[i]!.slice(0, byteTokenizer.vocabSize), all[i + 1]!, top);
    expect([own.length, ofPrompt.length]).toEqual([8, prompt.length - 1]);
    ofPrompt.forEach((found, i) => expectClose(found, next(i, prompt, 2)));
    own.forEach((found, i) => expectClose(found, next(prompt.length - 1 + i, [...prompt, ...ids], 3)));
  });

  it('of a prompt alone need no id', async () => {
    await using engine = new Engine({ model, tokenizer: byteTokenizer });
    const { ids, prompt: ofPrompt } = await read(engine, { prompt, maxTokens: 0, promptLogProbabilities: 0 });
    expect([ids, ofPrompt.length, ofPrompt[0]!.top]).toEqual([[], prompt.length - 1, []]);
  });

  it('refuse what cannot be', async () => {
    await using engine = new Engine({ model, tokenizer: byteTokenizer });
    for (const logProbabilities of [-1, 0.5, 129, NaN])
      expect(() => engine.generate({ prompt, logProbabilities })).toThrow('logProbabilities is');
  });
});

/** One of some texts, byte by byte. */
class OneOf implements Constraint {
  #left: readonly (readonly number[])[];
  constructor(texts: readonly string[]) {
    this.#left = texts.map((text) => [...Buffer.from(text)]);
  }
  get isComplete(): boolean {
    return this.#left.some(({ length }) => length === 0);
  }
  mask(bits: Uint32Array): void {
    bits.fill(0);
    for (const [id] of this.#left) if (id !== undefined) bits[id >>> 5]! |= 1 << (id & 31);
  }
  accept(id: number): void {
    this.#left = this.#left.filter(([first]) => first === id).map(([, ...rest]) => rest);
    if (this.#left.length === 0) throw new Error('that may not come');
  }
}

describe('a constraint', () => {
  const texts = ['yes', 'no', 'perhaps'];

  it('is obeyed, and ends the text where it is complete', async () => {
    await using engine = new Engine({ model, tokenizer: byteTokenizer });
    for (let seed = 0; seed < 12; seed++) {
      const request = { prompt: 'a', seed, logProbabilities: 1, constraint: new OneOf(texts) };
      let text = '';
      for await (const chunk of engine.generate(request)) {
        text += chunk.text;
        if (chunk.finishReason) expect(chunk.finishReason).toBe('stop');
        // The model's own, whatever the constraint says of the others.
        for (const each of chunk.logProbabilities ?? []) expect(each.logProbability).toBeLessThan(-0.01);
      }
      expect(texts).toContain(text);
    }
  });

  it('that throws ends its own text alone', async () => {
    await using engine = new Engine({ model, tokenizer: byteTokenizer });
    const accept = () => {
      throw new TypeError('a bug');
    };
    const broken: Constraint = { mask: (bits) => void bits.fill(-1), accept, isComplete: false };
    const other = read(engine, { prompt: 'a', temperature: 0, maxTokens: 8 });
    await expect(read(engine, { prompt: 'a', constraint: broken })).rejects.toThrow('a bug');
    expect((await other).ids.length).toBe(8);
    expect(engine.failure).toBeUndefined();
  });
});
