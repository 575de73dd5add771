import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { prepare, type PrepareProgress, readTexts, TokenDataset, unigramLoss } from '@cria/data';
import { byteTokenizer, EOS, have, temporaryFolder, writeFiles } from './helpers.ts';

const tokenizer = byteTokenizer();
const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));

/** All documents of a split as text, from its windows alone. */
async function textsOf(folder: string, split: 'train' | 'validation' = 'train'): Promise<string[]> {
  using dataset = await TokenDataset.open(folder, { split, contextLength: 16 });
  const ids: number[] = [];
  for (const { tokens, targets, segments } of dataset.windows()) {
    const padded =
      targets.at(-1) === -100 &&
      segments.length > 2 &&
      tokens.subarray(segments.at(-2)).every((id) => id === EOS);
    const end = padded && segments.at(-2) !== 16 ? segments.at(-2) : 16;
    ids.push(...tokens.subarray(0, end));
  }
  const documents: string[] = [];
  for (let start = 0; start < ids.length;) {
    const end = ids.indexOf(EOS, start);
    documents.push(tokenizer.decode(ids.slice(start, end)));
    start = end + 1;
  }
  return documents;
}

async function collect(texts: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const text of texts) all.push(text);
  return all;
}

describe('prepare', () => {
  it('reads text, code and JSONL, and reports what it drops and why', async () => {
    const folder = temporaryFolder();
    const lines = [
      '{"text":"line one"}',
      '',
      '{"text":"line \\u00fc","id":2}',
      '{"txet":"x"}',
      '{broken',
      '{"text":""}',
      '{"text":"line one"}',
    ];
    writeFiles(folder, {
      'in/a.md': '# Title\n\nText.\n',
      'in/b.ts': '// Copyright me\nconst x = 1;\n',
      'in/bom.txt': '\ufeffwith a mark',
      'in/c.ts': `const long = "${'x'.repeat(1001)}";\n`,
      'in/copy.md': '# Title\n\nText.\n',
      'in/d.txt': `${'prose '.repeat(300)}`,
      'in/binary.txt': Uint8Array.of(65, 0, 66),
      'in/latin1.txt': Uint8Array.of(0x66, 0xfc, 0x72),
      'in/empty.txt': '',
      'in/blank.txt': ' \n\t\n',
      'in/LICENSE.txt': 'MIT and so on',
      'in/huge.txt': 'x'.repeat(5000),
      'in/one.jsonl': lines.join('\n'),
      'in/two.jsonl.gz': gzipSync('{"text":"zipped"}\n{"text":"line one"}\n'),
    });
    const out = join(folder, 'out');
    const seen: PrepareProgress[] = [];
    const result = await prepare({
      sources: [{ name: 'mixed', paths: [join(folder, 'in')], maxFileBytes: 4000 }],
      tokenizer,
      out,
      validationShare: 0,
      onProgress: (progress) => seen.push(progress),
    });
    expect((await textsOf(out)).sort()).toEqual(
      [
        '# Title\n\nText.\n',
        'const x = 1;\n',
        'with a mark',
        'prose '.repeat(300),
        'line one',
        'line ü',
        'zipped',
      ].sort(),
    );
    const { report, train } = result.sources[0]!;
    expect(report.files).toBe(14);
    expect(report.kept.count).toBe(7);
    expect(
      Object.fromEntries(Object.entries(report.dropped).map(([reason, { count }]) => [reason, count])),
    ).toEqual({
      binary: 1,
      duplicate: 3,
      empty: 3,
      'invalid UTF-8': 1,
      'licence file': 1,
      'long line': 1,
      malformed: 1,
      'no text in its field': 1,
      'too large': 1,
    });
    expect(report.dropped['too large']!.bytes).toBe(5000);
    expect(report.malformed.map((place) => place.split('/').at(-1))).toEqual(['one.jsonl:4', 'one.jsonl:5']);
    expect(report.otherFields).toEqual(['txet']);
    expect(train).toEqual({ documents: 7, tokens: train.bytes + 14, bytes: train.bytes });
    expect(seen.at(-1)!.totalFiles).toBe(14);
  });

  it('takes lines with numbers that only Python writes, whose text is intact', async () => {
    const lines = [
      '{"text": "not a number", "score": NaN}',
      '{"score": -Infinity, "text": "NaN, \\"Infinity\\" and -Infinity"}',
      '{"text": "a list", "scores": [1, NaN, Infinity, {"x": -Infinity}]}',
      '{"text": "no", "score": nan}',
      '{"text": "no", "score": NaNa}',
      '{"text": "no" NaN}',
    ];
    const folder = writeFiles(temporaryFolder(), { 'in/a.jsonl': lines.join('\n') });
    const source = { name: 'a', paths: [join(folder, 'in')] };
    expect(await collect(readTexts([source]))).toEqual([
      'not a number',
      'NaN, "Infinity" and -Infinity',
      'a list',
    ]);
    const { sources } = await prepare({ sources: [source], tokenizer, out: join(folder, 'out') });
    expect(sources[0]!.report.dropped).toEqual({ malformed: { count: 3, bytes: expect.any(Number) } });
  });

  it('says which fields lines have that have no text in theirs, and takes the one that is named', async () => {
    const lines = ['{"id": 1, "content": "one"}', '{"id": 2, "content": "two", "url": "x"}', '[1]', '7'];
    const folder = writeFiles(temporaryFolder(), { 'in/a.jsonl': lines.join('\n') });
    const source = { name: 'a', paths: [join(folder, 'in')] };
    const options = { tokenizer, out: join(folder, 'out') };
    await expect(prepare({ sources: [source], ...options })).rejects.toThrow(
      /dropped: 4 no text in its field \(\d+ bytes\)\. hint: lines have "content", "url" and no text in "text": name the field/,
    );
    const [named] = (await prepare({ sources: [{ ...source, textField: 'content' }], ...options })).sources;
    expect(named!.report).toMatchObject({
      kept: { count: 2 },
      dropped: { 'no text in its field': { count: 2 } },
    });
  });

  it('gives equal bytes for equal input, and another fingerprint for other input', async () => {
    const folder = writeFiles(
      temporaryFolder(),
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`in/${i}.txt`, `text ${i} `.repeat(i + 1)])),
    );
    const make = (out: string, seed: number) =>
      prepare({
        sources: [{ name: 's', paths: [join(folder, 'in')] }],
        tokenizer,
        out: join(folder, out),
        seed,
        validationShare: 0.2,
      });
    const [a, b, c] = [await make('a', 1), await make('b', 1), await make('c', 2)];
    expect(a.fingerprint).toBe(b.fingerprint);
    expect(a.fingerprint).not.toBe(c.fingerprint);
    expect(readdirSync(join(folder, 'a'))).toEqual([
      'manifest.json',
      's-train-00000.tokens',
      's-validation-00000.tokens',
    ]);
    for (const name of readdirSync(join(folder, 'a')))
      expect(readFileSync(join(folder, 'a', name))).toEqual(readFileSync(join(folder, 'b', name)));
  });

  it('holds documents out by content and seed, whatever else there is', async () => {
    const folder = temporaryFolder();
    const files = (from: number, to: number) =>
      Object.fromEntries(
        Array.from({ length: to - from }, (_, i) => [`${from + i}.txt`, `document ${from + i}`]),
      );
    writeFiles(join(folder, 'few'), files(0, 100));
    writeFiles(join(folder, 'many'), files(0, 300));
    const heldOut = async (name: string) => {
      const out = join(folder, `${name}-out`);
      await prepare({
        sources: [{ name: 's', paths: [join(folder, name)] }],
        tokenizer,
        out,
        seed: 3,
        validationShare: 0.1,
      });
      return textsOf(out, 'validation');
    };
    const [few, many] = [await heldOut('few'), await heldOut('many')];
    expect(few.length).toBeGreaterThan(2);
    expect(many.length).toBeGreaterThan(few.length);
    expect(many.length).toBeLessThan(60);
    expect(few.every((text) => many.includes(text))).toBe(true);
    const trained = await textsOf(join(folder, 'many-out'));
    expect(new Set([...trained, ...many]).size).toBe(300);
    expect(trained).toHaveLength(300 - many.length);
  });

  it('always holds something out of two documents, and cuts one long text into several', async () => {
    const folder = writeFiles(temporaryFolder(), {
      'two/a.txt': 'first',
      'two/b.txt': 'second',
      'one/a.txt': 'one line\n'.repeat(2000),
    });
    for (const name of ['two', 'one']) {
      const out = join(folder, `${name}-out`);
      const { sources } = await prepare({
        sources: [{ name, paths: [join(folder, name)] }],
        tokenizer,
        out,
        maxDocumentLength: 6000,
      });
      expect(sources[0]!.validation.documents).toBe(1);
      expect(sources[0]!.train.documents).toBe(name === 'two' ? 1 : 3); // 18,000 characters in parts of 666 whole lines
      const all = [...(await textsOf(out)), ...(await textsOf(out, 'validation'))];
      if (name === 'one') expect(all.join('')).toBe('one line\n'.repeat(2000));
    }
  });

  it('fills a byte limit from a hashed order, and takes the head of a file that is larger', async () => {
    const folder = writeFiles(
      temporaryFolder(),
      Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`in/${i}.txt`, `${i} `.padEnd(100, 'x')])),
    );
    writeFiles(folder, { 'big/a.txt': 'a line of text\n'.repeat(100) });
    const limited = async (name: string, maxBytes: number) => {
      const out = join(folder, `${name}-out`);
      const { sources } = await prepare({
        sources: [{ name, paths: [join(folder, name)], maxBytes }],
        tokenizer,
        out,
        validationShare: 0,
      });
      return { texts: await textsOf(out), report: sources[0]!.report };
    };
    const { texts, report } = await limited('in', 1050);
    expect(texts).toHaveLength(10);
    expect(report.dropped['over the byte limit']!.count).toBe(40);
    expect(texts.map((text) => Number(text.split(' ')[0]))).not.toEqual(
      Array.from({ length: 10 }, (_, i) => i),
    );
    expect((await limited('big', 100)).texts).toEqual(['a line of text\n'.repeat(6)]);
  });

  it('removes duplicates across sources, in the order of the sources', async () => {
    const folder = writeFiles(temporaryFolder(), {
      'a/x.txt': 'same',
      'b/x.txt': 'same',
      'b/y.txt': 'other',
    });
    const sources = ['a', 'b'].map((name) => ({ name, paths: [join(folder, name)] }));
    const result = await prepare({ sources, tokenizer, out: join(folder, 'out'), validationShare: 0 });
    expect(result.sources.map(({ train }) => train.documents)).toEqual([1, 1]);
    expect(result.sources[1]!.report.dropped.duplicate).toEqual({ count: 1, bytes: 4 });
  });

  it('gives the same texts to a tokenizer trainer, up to a limit shared by the sources', async () => {
    const folder = temporaryFolder();
    const files = (name: string, count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`${name}/${i}.txt`, `${name} ${i} `.padEnd(50, name)]),
      );
    writeFiles(folder, {
      ...files('a', 40),
      ...files('b', 20),
      'b/empty.txt': '',
      'b/same.txt': 'a 0 '.padEnd(50, 'a'),
    });
    const sources = ['a', 'b'].map((name) => ({ name, paths: [join(folder, name)] }));
    const out = join(folder, 'out');
    await prepare({ sources, tokenizer, out, validationShare: 0 });
    expect((await collect(readTexts(sources))).toSorted()).toEqual((await textsOf(out)).toSorted());
    const some = await collect(readTexts(sources, { maxBytes: 1500, seed: 1 }));
    expect(some.filter((text) => text.startsWith('a'))).toHaveLength(20);
    expect(some.filter((text) => text.startsWith('b')).length).toBeGreaterThanOrEqual(10);
    expect(some).toEqual(await collect(readTexts(sources, { maxBytes: 1500, seed: 1 })));
    expect(some).not.toEqual(await collect(readTexts(sources, { maxBytes: 1500, seed: 2 })));
  });

  it('replaces a dataset as a whole, and nothing else', async () => {
    const folder = writeFiles(temporaryFolder(), { 'in/a.txt': 'text', 'precious/thesis.txt': 'mine' });
    const options = { sources: [{ name: 's', paths: [join(folder, 'in')] }], tokenizer, validationShare: 0 };
    const out = join(folder, 'out');
    mkdirSync(out);
    await prepare({ ...options, out });
    writeFiles(folder, { 'in/a.txt': 'new text', 'out.tmp-999999999-00000000/x': '' });
    await prepare({ ...options, out });
    expect(await textsOf(out)).toEqual(['new text']);
    expect(readdirSync(folder).sort()).toEqual(['in', 'out', 'precious']);
    await expect(prepare({ ...options, out: join(folder, 'precious') })).rejects.toThrow(
      'holds files that are not a dataset',
    );
    await expect(prepare({ ...options, out: join(folder, 'in/a.txt') })).rejects.toThrow('is not a folder');
    const signal = AbortSignal.abort(new Error('stopped by the user'));
    await expect(prepare({ ...options, out, signal })).rejects.toThrow('stopped by the user');
    writeFileSync(join(folder, 'in/a.txt'), '');
    await expect(prepare({ ...options, out })).rejects.toThrow(
      'source "s": nothing is left of 1 files; dropped: 1 empty (0 bytes)',
    );
    expect(await textsOf(out)).toEqual(['new text']);
    expect(readdirSync(folder).sort()).toEqual(['in', 'out', 'precious']);
  });

  it('refuses options that cannot work', async () => {
    const folder = writeFiles(temporaryFolder(), { 'in/a.txt': 'text', 'in/broken.jsonl.gz': 'no gzip' });
    const source = { name: 's', paths: [join(folder, 'in/a.txt')] };
    const refuse = (changes: object, message: string) =>
      expect(prepare({ sources: [source], tokenizer, out: join(folder, 'out'), ...changes })).rejects.toThrow(
        message,
      );
    await refuse({ sources: [] }, 'there are no sources');
    await refuse({ sources: [source, source] }, 'two sources are called "s"');
    await refuse({ sources: [{ ...source, wieght: 1 }] }, 'did you mean "weight"');
    await refuse(
      {
        sources: [
          { ...source, weight: 1 },
          { ...source, name: 't' },
        ],
      },
      '"s" has a weight, "t" has none',
    );
    await refuse({ sources: [{ ...source, name: 'a/b' }] }, 'is no name for a source');
    await refuse({ sources: [{ ...source, filters: { maxLine: 3 } }] }, 'unknown option "maxLine"');
    await refuse(
      { sources: [{ ...source, paths: [join(folder, 'in/broken.jsonl.gz')] }] },
      'incorrect header check',
    );
    await refuse({ sources: [{ ...source, paths: [join(folder, 'absent')] }] }, 'does not exist');
    await refuse({ validationShare: 0.7 }, 'validationShare is 0.7');
    await refuse({ tokenizer: byteTokenizer({ bosId: undefined, eosId: undefined }) }, 'neither BOS nor EOS');
    await refuse({ tokenizer: byteTokenizer({ vocabSize: 50 }) }, 'the tokenizer gave id');
    expect(readdirSync(folder)).toEqual(['in']);
  });

  it.skipIf(!have(shared))('prepares a real book; the unigram loss is that of its bytes', async () => {
    const out = join(temporaryFolder(), 'out');
    await prepare({
      sources: [{ name: 'shakespeare', paths: [join(shared, 'text/tinyshakespeare.txt')] }],
      tokenizer,
      out,
      validationShare: 0.1,
    });
    using train = await TokenDataset.open(out, { split: 'train', contextLength: 256 });
    using heldOut = await TokenDataset.open(out, { split: 'validation', contextLength: 256 });
    expect(train.textBytes + heldOut.textBytes).toBe(1_115_394);
    // Independent: counts over the bytes themselves, with EOS, never BOS.
    const counts = new Float64Array(259).fill(1);
    const [trainTexts, heldOutTexts] = [await textsOf(out), await textsOf(out, 'validation')];
    for (const text of trainTexts) for (const byte of Buffer.from(text)) counts[byte + 3]!++;
    counts[EOS]! += trainTexts.length;
    const total = counts.reduce((a, b) => a + b);
    let [sum, n] = [0, 0];
    for (const text of heldOutTexts) {
      for (const id of [...Array.from(Buffer.from(text), (byte) => byte + 3), EOS]) {
        sum -= Math.log(counts[id]! / total);
        n++;
      }
    }
    const measured = unigramLoss(train, heldOut);
    expect(measured.targets).toBe(n);
    expect(measured.loss).toBeCloseTo(sum / n, 10);
    expect(measured.loss).toBeGreaterThan(3);
    expect(measured.loss).toBeLessThan(3.6);
    const first = unigramLoss(train, heldOut, { heldOutSamples: 2 });
    expect(first.targets).toBe(
      [0, 1].flatMap((i) => [...heldOut.sample(i).targets]).filter((id) => id >= 0).length,
    );
    expect(unigramLoss(train, heldOut, { heldOutSamples: heldOut.samples })).toEqual(measured);
  });
});
