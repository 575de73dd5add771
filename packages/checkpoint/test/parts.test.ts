import { join } from 'node:path';
import { expect, describe, it } from 'vitest';
import {
  type Checkpoint,
  convertCheckpoint,
  loadTrainingState,
  mapWeights,
  openCheckpoint,
  saveHuggingFace,
  saveTrainingState,
  saveTrainingStateByRanks,
} from '@cria/checkpoint';
import { llamaConfig } from '@cria/layers';
import {
  type AllocateOptions,
  type ParameterPart,
  ParameterSpace,
  philox,
  reference,
  type Tensor,
} from '@cria/tensor';
import { bitsOf, fillWithBits, shapesOf, spaceOf, temporaryFolder } from './helpers.ts';
import { groupsOf } from './rank-states.ts';

/*
 * Ranks that have parts of the parameters: drawn, loaded from every format, saved and loaded again
 * under any other cut, each part is what a plain copy out of the whole says.
 */

const model = llamaConfig({
  dim: 64,
  nLayers: 2,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 8,
  ffnDim: 96,
  vocabSize: 42,
  contextLength: 16,
});
const states = ['exp_avg', 'exp_avg_sq'];

/** A box of a parameter; undefined: the rank has none of it. */
type Cut = (name: string, shape: readonly number[]) => { shape: number[]; begin: number[] } | undefined;

/** Numbers from a seed. */
function dice(seed: number) {
  const words = new Uint32Array(4);
  let count = 0;
  return (below: number) => {
    philox(count++, 0, 0, 0, seed, 7, words);
    return words[0]! % below;
  };
}

/** Cuts of every parameter among ranks, at random: rows or columns, whole on every rank, or whole on one. */
function randomCuts(seed: number, ranks: number, options: { step?: number; partly?: boolean } = {}): Cut[] {
  const roll = dice(seed);
  const plans = new Map<string, { axis: number; ends: number[] } | { owner: number } | undefined>();
  const planOf = (name: string, shape: readonly number[]) => {
    if (plans.has(name)) return plans.get(name);
    const kind = roll(options.partly ? 5 : 4);
    const axis = kind % 2 === 0 ? 0 : shape.length - 1;
    // Rows of queries and keys go in whole heads; blocks are not cut through.
    const step =
      axis === 0 && /w[qk]\.weight/.test(name) ? model.headDim : axis === 1 ? (options.step ?? 1) : 1;
    const pieces = Math.floor(shape[axis]! / step);
    const inner = Array.from({ length: ranks - 1 }, () => step * roll(pieces + 1)).sort((a, b) => a - b);
    const ends = [0, ...inner, shape[axis]!];
    const cut = kind < 3 ? { axis, ends } : kind === 3 ? undefined : { owner: roll(ranks) };
    plans.set(name, cut);
    return cut;
  };
  return Array.from({ length: ranks }, (_, rank): Cut => (name, shape) => {
    const plan = planOf(name, shape);
    const whole = { shape: [...shape], begin: shape.map(() => 0) };
    if (!plan) return whole;
    if ('owner' in plan) return plan.owner === rank ? whole : undefined;
    const [from, to] = [plan.ends[rank]!, plan.ends[rank + 1]!];
    if (from === to) return undefined;
    return {
      shape: shape.map((extent, axis) => (axis === plan.axis ? to - from : extent)),
      begin: shape.map((_, axis) => (axis === plan.axis ? from : 0)),
    };
  });
}

/** The space of a rank: its parts of a LLaMA's parameters. */
function partsOf(cut: Cut, options: AllocateOptions | 'nowhere' = {}): ParameterSpace {
  const space = new ParameterSpace(reference());
  for (const [name, of] of shapesOf(model)) {
    const box = cut(name, of);
    if (!box) continue;
    const part: ParameterPart | undefined =
      box.shape.join() === of.join() ? undefined : { of, begin: box.begin };
    space.add(name, box.shape, { init: { normal: 1 }, decay: of.length > 1, part });
  }
  if (options !== 'nowhere') space.allocate(options);
  return space;
}

/** The bytes of a box, copied out of the whole element by element. */
async function boxBytes(
  whole: Tensor,
  shape: readonly number[],
  part: ParameterPart | undefined,
): Promise<Buffer> {
  const read = await whole.read();
  const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
  if (!part) return bytes;
  const size = bytes.length / whole.size;
  const [rows = 1, columns = 1] = shape.length === 1 ? [shape[0]!, 1] : shape;
  const stored = part.of.length === 1 ? 1 : part.of[1]!;
  const [top = 0, left = 0] = part.begin;
  const out: Buffer[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const at = size * ((top + row) * stored + left + column);
      out.push(bytes.subarray(at, at + size));
    }
  return Buffer.concat(out);
}

const bytesOf = async (tensor: Tensor) => {
  const read = await tensor.read();
  return Buffer.from(read.buffer, read.byteOffset, read.byteLength);
};

/** Every value and state of a rank's space is its box of the whole space. */
async function expectParts(space: ParameterSpace, whole: ParameterSpace): Promise<void> {
  for (const parameter of space.parameters) {
    const { name, shape, part } = parameter;
    const other = whole.get(name)!;
    const box = await boxBytes(whole.master(other), shape, part);
    expect((await bytesOf(space.master(parameter))).equals(box), name).toBe(true);
    for (const state of space.stateNames) {
      const own = await bytesOf(space.view(space.states.get(state), parameter));
      const all = whole.view(whole.states.get(state), other);
      expect(own.equals(await boxBytes(all, shape, part)), `${state} of ${name}`).toBe(true);
    }
  }
}

/** Leaves the parameters out that a rank has none of: the others of a checkpoint would be unexpected. */
const everywhere =
  (cut: Cut): Cut =>
  (name, shape) =>
    cut(name, shape) ?? { shape: [...shape], begin: shape.map(() => 0) };

describe('parts are drawn as in the whole', () => {
  it.each([1, 2, 3, 4])('whatever the cut, seed %i', async (seed) => {
    const whole = spaceOf(model);
    whole.initialize(seed);
    for (const cut of randomCuts(seed, 1 + (seed % 4), { partly: true })) {
      const space = partsOf(cut);
      space.initialize(seed);
      await expectParts(space, whole);
    }
  });
});

/** The same weights in every format. */
async function stored(format: string): Promise<{ path: string; whole: ParameterSpace; step?: number }> {
  const folder = temporaryFolder();
  const whole = spaceOf(model);
  whole.initialize(11);
  const plain = join(folder, 'plain');
  await saveHuggingFace(plain, model, whole, format === 'bf16' ? { dtype: 'bf16' } : {});
  if (format === 'safetensors' || format === 'bf16') return { path: plain, whole };
  if (format === 'training state') {
    const root = join(folder, 'run');
    await saveTrainingState(root, { step: 1, parameters: whole, config: model, counters: null });
    return { path: root, whole };
  }
  const path = join(folder, format === 'gguf' || format === 'q8_0' ? 'model.gguf' : 'other');
  const options = {
    gguf: { to: 'gguf' },
    q8_0: { to: 'gguf', quantize: 'q8_0' },
    meta: { to: 'meta' },
    'meta in 2': { to: 'meta', shards: 2 },
    shards: { to: 'hf', shards: 3 },
  }[format] as Parameters<typeof convertCheckpoint>[2];
  await convertCheckpoint(await openCheckpoint(plain), path, options);
  return { path, whole, ...(format === 'q8_0' ? { step: 32 } : {}) };
}

const formats = ['safetensors', 'bf16', 'training state', 'gguf', 'q8_0', 'meta', 'meta in 2', 'shards'];

describe('a rank reads its part', () => {
  it.each(formats)('of %s', async (format) => {
    const { path, step } = await stored(format);
    const checkpoint = await openCheckpoint(path);
    const whole = spaceOf(model);
    await checkpoint.load(whole);
    for (const seed of [1, 2, 3]) {
      for (const cut of randomCuts(seed, 1 + seed, step ? { step } : {})) {
        const space = partsOf(everywhere(cut));
        await checkpoint.load(space);
        await expectParts(space, whole);
        const mapped = partsOf(everywhere(cut), 'nowhere');
        using _ = await mapWeights(checkpoint, mapped, { dtype: 'f32', keep: ['f32'] });
        await expectBound(mapped, whole);
      }
    }
  });

  it('and nothing else, where it has some of the rows', async () => {
    const { path } = await stored('safetensors');
    const checkpoint = await openCheckpoint(path);
    const read = countReads(checkpoint);
    const half: Cut = (_, [rows = 1, ...rest]) => ({
      shape: [rows >> 1, ...rest],
      begin: [rows >> 1, ...rest.map(() => 0)],
    });
    const space = partsOf(half);
    await checkpoint.load(space);
    expect(read()).toBe(4 * space.count);
  });
});

/** Of spaces without a flat one. */
async function expectBound(space: ParameterSpace, whole: ParameterSpace): Promise<void> {
  for (const { name, shape, part, value } of space.parameters)
    expect((await bytesOf(value)).equals(await boxBytes(whole.get(name)!.value, shape, part)), name).toBe(
      true,
    );
}

function countReads(checkpoint: Checkpoint): () => number {
  let bytes = 0;
  for (const weight of checkpoint.tensors.values()) {
    const { readBytes } = weight;
    Object.assign(weight, {
      readBytes: (begin: number, end: number) => {
        bytes += end - begin;
        return readBytes(begin, end);
      },
    });
  }
  return () => bytes;
}

const filled = (seed: number, options: AllocateOptions) => {
  const space = spaceOf(model, options);
  fillWithBits(space, seed);
  return space;
};

/** A rank's space with its boxes of another. */
async function cutOut(whole: ParameterSpace, cut: Cut, options: AllocateOptions): Promise<ParameterSpace> {
  const space = partsOf(cut, options);
  for (const parameter of space.parameters) {
    const { name, shape, part } = parameter;
    const other = whole.get(name)!;
    const copy = async (to: Tensor, from: Tensor) =>
      to.write(new Uint8Array(await boxBytes(from, shape, part)));
    await copy(space.master(parameter), whole.master(other));
    for (const state of space.stateNames)
      await copy(space.view(space.states.get(state), parameter), whole.view(whole.states.get(state), other));
  }
  space.roundMasters();
  return space;
}

async function saveCut(
  root: string,
  spaces: readonly ParameterSpace[],
  step = 3,
  change: (rank: number) => object = () => ({}),
) {
  const { groups } = groupsOf(spaces.length);
  const results = await Promise.allSettled(
    groups.map((group, rank) =>
      saveTrainingStateByRanks(
        root,
        { step, config: model, counters: { step }, parameters: spaces[rank]!, ...change(rank) },
        group,
      ),
    ),
  );
  const reasons = results.flatMap((each) =>
    each.status === 'rejected' ? [(each.reason as Error).message] : [],
  );
  return { saved: results.length - reasons.length, reasons };
}

describe('a state saved by ranks that have parts', () => {
  it.each([
    [1, 1, 3],
    [2, 2, 1],
    [3, 3, 2],
    [4, 2, 5],
    [5, 4, 4],
    [6, 3, 3],
  ])('is loaded under any other cut, seed %i: %i ranks, then %i', async (seed, ranks, others) => {
    const options: AllocateOptions = seed % 2 ? { states } : { states, dtype: 'bf16' };
    const root = temporaryFolder();
    const whole = filled(seed, options);
    const cuts = randomCuts(seed, ranks, { partly: true });
    const { saved, reasons } = await saveCut(
      root,
      await Promise.all(cuts.map((cut) => cutOut(whole, cut, options))),
    );
    expect([saved, reasons]).toEqual([ranks, []]);
    const state = await loadTrainingState(root);
    expect([state.step, state.ranks, state.counters, state.states]).toEqual([3, ranks, { step: 3 }, states]);
    const again = spaceOf(model, options);
    await state.load(again);
    expect(await bitsOf(again)).toEqual(await bitsOf(whole));
    for (const cut of randomCuts(seed + 100, others)) {
      const space = partsOf(everywhere(cut), options);
      await state.load(space);
      await expectParts(space, whole);
      const values = space.device.empty([space.size], 'f32');
      await state.loadRange({ parameters: space, begin: 0, values });
      expect((await bytesOf(values)).equals(await bytesOf(space.masters))).toBe(true);
    }
    const weights = spaceOf(model);
    await (await openCheckpoint(root)).load(weights);
    expect(await bytesOf(weights.values)).toEqual(await bytesOf(whole.masters));
  });

  it('is refused at every rank where parts overlap, are missing or of another whole', async () => {
    const root = temporaryFolder();
    const whole = filled(1, { states });
    const attempt = async (cuts: readonly Cut[], change?: (rank: number) => object) => {
      const spaces = await Promise.all(cuts.map((cut) => cutOut(whole, cut, { states })));
      const { saved, reasons } = await saveCut(root, spaces, 2, change);
      expect([saved, new Set(reasons).size]).toEqual([0, 1]);
      return reasons[0]!;
    };
    const rows =
      (from: number, to: number): Cut =>
      (name, shape) =>
        name === 'output.weight'
          ? { shape: [to - from, shape[1]!], begin: [from, 0] }
          : { shape: [...shape], begin: shape.map(() => 0) };
    expect(await attempt([rows(0, 20), rows(19, 42)])).toMatch(
      'output.weight: [20, 64] from [0, 0] on and [23, 64] from [19, 0] on of two ranks overlap',
    );
    expect(await attempt([rows(0, 20), rows(21, 42)])).toMatch(
      'ranks have 2624 of the 2688 elements of output.weight',
    );
    expect(await attempt([rows(0, 20), rows(20, 42)], (rank) => (rank ? { counters: NaN } : {}))).toMatch(
      'counters is NaN',
    );
  });

  it('is no state of one rank, nor a model', async () => {
    const [cut] = randomCuts(2, 2);
    const space = partsOf(cut!);
    const state = { step: 1, config: model, counters: null, parameters: space };
    await expect(saveTrainingState(temporaryFolder(), state)).rejects.toThrow(
      'hint: save with saveTrainingStateByRanks',
    );
    await expect(saveHuggingFace(temporaryFolder(), model, space)).rejects.toThrow('is a part of [');
    const { groups } = groupsOf(1);
    const ranged = { ...state, begin: 0, values: space.values };
    await expect(saveTrainingStateByRanks(temporaryFolder(), ranged, groups[0]!)).rejects.toThrow(
      'ranges are of spaces that all ranks share',
    );
  });
});

describe('a part that cannot be cut out', () => {
  const only =
    (wanted: string, shape: number[], begin: number[]): Cut =>
    (name, whole) =>
      name === wanted ? { shape, begin } : { shape: [...whole], begin: whole.map(() => 0) };

  it('is refused by name: half a head of a Hugging Face file, half a block', async () => {
    const { path } = await stored('safetensors');
    const cut = only('layers.0.attention.wq.weight', [12, 64], [4, 0]);
    await expect((await openCheckpoint(path)).load(partsOf(cut))).rejects.toThrow(
      'rows 4 to 16 of model.layers.0.self_attn.q_proj.weight are not whole heads of 8',
    );
    const blocks = await stored('q8_0');
    const half = only('layers.1.feed_forward.w2.weight', [64, 48], [0, 48]);
    await expect((await openCheckpoint(blocks.path)).load(partsOf(half))).rejects.toThrow(
      'columns 48 to 96 of blk.1.ffn_down.weight cut through blocks of q8_0',
    );
  });
});
