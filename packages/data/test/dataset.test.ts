import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepare, type Sample, TokenDataset } from '@cria/data';
import { BOS, byteTokenizer, EOS, temporaryFolder, writeFiles } from './helpers.ts';

const tokenizer = byteTokenizer();

/** A dataset of given documents, all of them for training. */
async function datasetOf(documents: readonly string[], options: object = {}): Promise<string> {
  const folder = temporaryFolder();
  writeFiles(folder, { 'in.jsonl': documents.map((text) => JSON.stringify({ text })).join('\n') });
  const out = join(folder, 'out');
  await prepare({
    sources: [{ name: 's', paths: [join(folder, 'in.jsonl')] }],
    tokenizer,
    out,
    validationShare: 0,
    ...options,
  });
  return out;
}

const plain = (sample: Sample) =>
  [sample.tokens, sample.targets, sample.segments].map((array) => Array.from(array));

describe('samples', () => {
  it('pack documents as written down by hand', async () => {
    const out = await datasetOf(['ab', 'cdefg', 'h']);
    using dataset = await TokenDataset.open(out, { split: 'train', contextLength: 5 });
    const [a, b, c, d, e, f, g, h] = [...'abcdefgh'].map((letter) => letter.charCodeAt(0) + 3);
    const x = -100;
    expect([...dataset.windows()].map(plain)).toEqual([
      [
        [BOS, a, b, EOS, BOS],
        [a, b, EOS, x, c],
        [0, 4, 5],
      ],
      [
        [c, d, e, f, g],
        [d, e, f, g, EOS],
        [0, 5],
      ],
      [
        [EOS, BOS, h, EOS, EOS],
        [x, h, EOS, x, x],
        [0, 1, 4, 5],
      ],
    ]);
    expect([dataset.samples, dataset.tokens, dataset.textBytes]).toEqual([3, 14, 8]);
  });

  it('hold every token exactly once an epoch, and every target is the next one of its document', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.nat(400).map((n) => 'long '.repeat(n)),
    );
    const shape = fc.record({
      texts: fc.uniqueArray(text, { minLength: 1, maxLength: 12 }),
      contextLength: fc.integer({ min: 1, max: 70 }),
      maxShardTokens: fc.constantFrom(1, 50, 2 ** 28),
      vocabSize: fc.constantFrom(259, 70_000),
    });
    await fc.assert(
      fc.asyncProperty(
        shape.filter(({ texts }) => texts.some((each) => each.trim() !== '')),
        async ({ texts, contextLength, maxShardTokens, vocabSize }) => {
          const out = await datasetOf(texts, { maxShardTokens, tokenizer: byteTokenizer({ vocabSize }) });
          using dataset = await TokenDataset.open(out, { split: 'train', contextLength, seed: 5 });
          const kept = texts.filter((each) => each.trim() !== '');
          // What the samples of one epoch say, put together: pairs of a token and what follows it.
          const found: string[] = [];
          for (let n = 0; n < dataset.samples; n++) {
            const { tokens, targets, segments } = dataset.sample(n);
            expect([tokens.length, targets.length, segments[0], segments.at(-1)]).toEqual([
              contextLength,
              contextLength,
              0,
              contextLength,
            ]);
            for (const start of segments.subarray(1, -1)) expect(targets[start - 1]).toBe(-100);
            for (let s = 0; s + 1 < segments.length; s++) {
              for (let t = segments[s]!; t + 1 < segments[s + 1]!; t++)
                if (targets[t] !== -100) expect(targets[t]).toBe(tokens[t + 1]);
            }
            for (const [t, target] of targets.entries()) found.push(`${tokens[t]} ${target}`);
          }
          const wanted: string[] = [];
          for (const each of kept) {
            const ids = [BOS, ...[...Buffer.from(each)].map((byte) => byte + 3), EOS];
            ids.forEach((id, i) => wanted.push(`${id} ${ids[i + 1] ?? -100}`));
          }
          const padding = found.length - wanted.length;
          expect(padding).toBeGreaterThanOrEqual(0);
          for (let i = 0; i < padding; i++) wanted.push(`${EOS} -100`);
          expect(found.sort()).toEqual(wanted.sort());
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are a pure function of seed and number, in any order of asking, and go on after any position', async () => {
    const out = await datasetOf(Array.from({ length: 50 }, (_, i) => `document ${i} `.repeat(1 + (i % 7))));
    using first = await TokenDataset.open(out, { split: 'train', contextLength: 24, seed: 9 });
    using second = await TokenDataset.open(out, { split: 'train', contextLength: 24, seed: 9 });
    using other = await TokenDataset.open(out, { split: 'train', contextLength: 24, seed: 10 });
    const all = Array.from({ length: 3 * first.samples }, (_, n) => plain(first.sample(n)));
    for (let n = all.length - 1; n >= 0; n--) expect(plain(second.sample(n))).toEqual(all[n]);
    for (const position of [0, 1, first.samples - 1, first.samples, 100]) {
      using resumed = await TokenDataset.open(out, { split: 'train', contextLength: 24, seed: 9 });
      for (let n = position; n < position + 20; n++)
        expect(plain(resumed.sample(n))).toEqual(plain(first.sample(n)));
    }
    const epoch = (k: number) =>
      all.slice(k * first.samples, (k + 1) * first.samples).map((sample) => JSON.stringify(sample));
    expect(epoch(0).toSorted()).toEqual(epoch(1).toSorted());
    expect(epoch(0)).not.toEqual(epoch(1));
    expect(plain(other.sample(0)).concat(plain(other.sample(1)))).not.toEqual([...all[0]!, ...all[1]!]);
  });

  it('make batches of whole samples', async () => {
    const out = await datasetOf(['one', 'two and more', 'three']);
    using dataset = await TokenDataset.open(out, { split: 'train', contextLength: 7 });
    const batch = dataset.batch(2, 3);
    const samples = [2, 3, 4].map((n) => dataset.sample(n));
    expect(batch.rows).toBe(21);
    expect([...batch.tokens]).toEqual(samples.flatMap(({ tokens }) => [...tokens]));
    expect([...batch.targets]).toEqual(samples.flatMap(({ targets }) => [...targets]));
    expect([...batch.segments]).toEqual([
      ...samples.flatMap(({ segments }, i) => [...segments.subarray(0, -1)].map((start) => start + 7 * i)),
      21,
    ]);
    expect(() => dataset.batch(0, 0)).toThrow('a batch of 0 samples');
    expect(() => dataset.sample(-1)).toThrow('sample -1');
    expect(() => dataset.sample(0.5)).toThrow('sample 0.5');
  });

  it('are drawn from sources by weight, each with epochs of its own', async () => {
    const folder = temporaryFolder();
    const lines = (letter: string, count: number) =>
      Array.from({ length: count }, (_, i) => JSON.stringify({ text: letter.repeat(14 + i) })).join('\n');
    writeFiles(folder, { 'a.jsonl': lines('a', 4), 'b.jsonl': lines('b', 20), 'c.jsonl': lines('c', 3) });
    const out = join(folder, 'out');
    const sources = [3, 1, 0].map((weight, i) => ({
      name: 'abc'[i]!,
      paths: [join(folder, `${'abc'[i]}.jsonl`)],
      weight,
    }));
    await prepare({ sources, tokenizer, out, validationShare: 0.1 });
    const letters = (dataset: TokenDataset, count: number) =>
      Array.from({ length: count }, (_, n) =>
        String.fromCharCode([...dataset.sample(n).tokens].find((id) => id > 2)! - 3),
      );
    using prepared = await TokenDataset.open(out, { split: 'train', contextLength: 16 });
    const drawn = letters(prepared, 400);
    expect([
      drawn.filter((letter) => letter === 'a').length,
      drawn.filter((letter) => letter === 'b').length,
    ]).toEqual([300, 100]);
    const [a, b] = prepared.epochs(400);
    expect(a).toEqual({ name: 'a', drawn: 300, samples: a!.samples, epochs: 300 / a!.samples });
    expect(b!.drawn).toBe(100);
    expect(prepared.epochs(400)).toHaveLength(2);
    // each epoch of a source holds each of its windows once
    const windows = Array.from({ length: 400 }, (_, n) => JSON.stringify(plain(prepared.sample(n)))).filter(
      (_, n) => drawn[n] === 'a',
    );
    expect(new Set(windows.slice(0, a!.samples)).size).toBe(a!.samples);
    expect(windows.slice(0, a!.samples).toSorted()).toEqual(
      windows.slice(a!.samples, 2 * a!.samples).toSorted(),
    );
    using asked = await TokenDataset.open(out, {
      split: 'train',
      contextLength: 16,
      weights: { a: 0, b: 0.5, c: 0.5 },
    });
    expect(letters(asked, 100).filter((letter) => letter === 'c')).toHaveLength(50);
    await expect(
      TokenDataset.open(out, { split: 'train', contextLength: 16, weights: { a: 1, b: 1, d: 1 } }),
    ).rejects.toThrow('weights name "d"');
    await expect(
      TokenDataset.open(out, { split: 'train', contextLength: 16, weights: { a: 1 } }),
    ).rejects.toThrow('nothing of "b"');
    // validation knows no weights: all windows of all sources, in one fixed order
    using heldOut = await TokenDataset.open(out, {
      split: 'validation',
      contextLength: 16,
      weights: { a: 1, b: 0, c: 0 },
    });
    const order = Array.from({ length: 2 * heldOut.samples }, (_, n) =>
      JSON.stringify(plain(heldOut.sample(n))),
    );
    expect(order.slice(0, heldOut.samples)).toEqual(order.slice(heldOut.samples));
    expect(order.slice(0, heldOut.samples).toSorted()).toEqual(
      [...heldOut.windows()].map((sample) => JSON.stringify(plain(sample))).toSorted(),
    );
  });
});

describe('opening', () => {
  it('refuses other tokenizers, missing data, wrong options', async () => {
    const out = await datasetOf(['some text']);
    const open = (changes: object) =>
      TokenDataset.open(out, { split: 'train', contextLength: 8, ...changes }).then((dataset) =>
        dataset.close(),
      );
    await open({ tokenizerFingerprint: tokenizer.fingerprint });
    await expect(open({ tokenizerFingerprint: 'fedc' })).rejects.toThrow(
      `was made by tokenizer ${tokenizer.fingerprint}, the model has fedc`,
    );
    await expect(open({ split: 'validation' })).rejects.toThrow('has no validation tokens');
    await expect(open({ split: 'test' })).rejects.toThrow('split is "test"');
    await expect(open({ contextLength: 0 })).rejects.toThrow('contextLength is 0');
    await expect(open({ contextLen: 1 })).rejects.toThrow('did you mean "contextLength"');
    await expect(TokenDataset.open(temporaryFolder(), { split: 'train', contextLength: 8 })).rejects.toThrow(
      'prepare the data first',
    );
  });

  it('refuses shards of another dataset', async () => {
    const [a, b] = [await datasetOf(['some text']), await datasetOf(['some other text'])];
    writeFileSync(join(a, 's-train-00000.tokens'), readFileSync(join(b, 's-train-00000.tokens')));
    await expect(TokenDataset.open(a, { split: 'train', contextLength: 8 })).rejects.toThrow(
      'the manifest says 1, 11',
    );
  });

  it('never gives wrong data for a damaged file: hundreds of flips, cuts and growths', async () => {
    const out = await datasetOf(Array.from({ length: 300 }, (_, i) => `document ${i} `.repeat(40)));
    const readAll = async () => {
      using dataset = await TokenDataset.open(out, { split: 'train', contextLength: 512 });
      return Array.from({ length: dataset.samples }, (_, n) => dataset.sample(n).tokens.join()).join('\n');
    };
    const good = await readAll();
    const files = readdirSync(out);
    const damage = fc.record({
      file: fc.constantFrom(...files),
      at: fc.double({ min: 0, max: 0.9999999, noNaN: true }),
      early: fc.boolean(),
      bit: fc.nat(7),
      kind: fc.constantFrom('flip', 'flip', 'flip', 'cut', 'grow', 'swap'),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, at, early, bit, kind }) => {
        const path = join(out, file);
        const bytes = readFileSync(path);
        const place = Math.floor(at * (early ? Math.min(140, bytes.length) : bytes.length));
        let changed = Buffer.from(bytes);
        if (kind === 'flip') changed[place] = bytes[place]! ^ (1 << bit);
        else if (kind === 'cut') changed = bytes.subarray(0, place);
        else if (kind === 'grow') changed = Buffer.concat([bytes, bytes.subarray(0, bit + 1)]);
        else if (place > 0) [changed[place], changed[place - 1]] = [bytes[place - 1]!, bytes[place]!];
        if (changed.equals(bytes)) return;
        writeFileSync(path, changed);
        try {
          const result = await readAll().catch((error: Error) => error);
          if (result instanceof Error)
            expect(result.message).toMatch(/^\[(TokenDataset\.open|openShard)\] .*hint: /s);
          else {
            // white space of the manifest is not under its hash
            expect(file).toBe('manifest.json');
            expect(result).toBe(good);
          }
        } finally {
          writeFileSync(path, bytes);
        }
      }),
      { numRuns: Number(process.env['CRIA_FUZZ'] ?? 300) },
    );
    expect(await readAll()).toBe(good);
  });
});
