import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '@cria/checkpoint';
import { loadTokenizer } from '@cria/tokenizer/node';
import { describe, expect, it } from 'vitest';
import { cria, root, temporaryFolder } from './helpers.ts';

const models = join(root, '../shared/data/models');
const stories = join(models, 'stories260K.bin');
const vocabulary = join(models, 'tok512.bin');
const here = existsSync(stories);
if (!here) console.log(`skipped: ${stories} is not on this machine`);

describe.skipIf(!here)('cria convert', () => {
  it('takes stories260K through every format; text from each is the same', async () => {
    const folder = temporaryFolder();
    const expected = readFileSync(join(models, 'stories260K.greedy200.txt'), 'utf8');
    const outputs = {
      gguf: join(folder, 'model.gguf'),
      hf: join(folder, 'hf'),
      meta: join(folder, 'meta'),
      llama2c: join(folder, 'bin/model.bin'),
    };
    const before = await openCheckpoint(stories);
    for (const [to, path] of Object.entries(outputs)) {
      const { code, errors, out } = await cria(
        'convert',
        stories,
        path,
        '--to',
        to,
        '--tokenizer',
        vocabulary,
      );
      expect([code, errors], to).toEqual([0, '']);
      expect(out).toContain('5 layers');
      const after = await openCheckpoint(path);
      for (const name of before.tensors.keys())
        expect(await after.read(name), `${to} ${name}`).toEqual(await before.read(name));
      // Once more from there: the vocabulary is found in or beside what was written.
      const again = join(folder, `${to}.gguf`);
      expect((await cria('convert', path, again, '--to', 'gguf')).errors, to).toBe('');
      const tokenizer = await loadTokenizer(again);
      expect(tokenizer.fingerprint, to).toBe((await loadTokenizer(vocabulary)).fingerprint);
      const sample = await cria(
        'sample',
        '--model',
        to === 'llama2c' ? again : path,
        '--tokenizer',
        vocabulary,
        '--temperature',
        '0',
        '--max-tokens',
        '199',
        '--device',
        'reference',
      );
      expect(sample.out.trim().slice(0, 200), `${to} ${sample.errors}`).toBe(expected.trim().slice(0, 200));
    }
  });

  it('quantises, tells the error of every weight, and what it does to the perplexity', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'small.gguf');
    const text = join(folder, 'text.txt');
    writeFileSync(text, readFileSync(join(models, 'stories260K.greedy200.txt'), 'utf8'));
    const { code, out, errors } = await cria(
      'convert',
      stories,
      path,
      '--to',
      'gguf',
      '--quantize',
      'q8_0',
      '--tokenizer',
      vocabulary,
      '--perplexity',
      text,
    );
    expect([code, errors]).toEqual([0, '']);
    const copied = join(folder, 'copied.gguf');
    await cria(
      'convert',
      stories,
      copied,
      '--to',
      'gguf',
      '--quantize',
      'q8_0',
      '--tokenizer',
      vocabulary,
      '--no-mmap',
    );
    expect(readFileSync(copied).equals(readFileSync(path))).toBe(true);
    expect(out).toMatch(/layers\.4\.feed_forward\.w1\.weight +f32 → q8_0 +rmse \d\.\d+e-\d/);
    expect(out).toMatch(/w2\.weight +f32 → f16/); // rows of 172 fill no blocks of 32
    const [, before, after] = /perplexity (\d+\.\d+) → (\d+\.\d+)/.exec(out) ?? [];
    expect(Number(before)).toBeGreaterThan(1);
    expect(Math.abs(Number(after) / Number(before) - 1)).toBeLessThan(0.02);
  });

  it('says how many values are NaN or infinite before and after, in one line a weight', async () => {
    const source = join(temporaryFolder(), 'wide.bin');
    const bytes = readFileSync(stories);
    // Behind the header and the embedding come the norms of 5 layers of width 64, then wq.
    const wq = 28 + 4 * 64 * (512 + 5);
    [NaN, 1e6, -Infinity].forEach((value, i) => bytes.writeFloatLE(value, wq + 400 * i));
    writeFileSync(source, bytes);
    const convert = (...args: string[]) =>
      cria('convert', source, join(temporaryFolder(), 'out'), '--no-tokenizer', ...args);
    const name = 'layers.0.attention.wq.weight';
    const counts = `warning: ${name}: 2 of 4096 values are NaN or infinite as f32`;
    const f16 = await convert('--to', 'gguf', '--dtype', 'f16');
    expect([f16.code, f16.errors]).toEqual([0, `${counts}, 3 as f16. hint: bf16 has the range of f32\n`]);
    expect((await convert('--to', 'hf', '--dtype', 'bf16')).errors).toBe(`${counts}, 2 as bf16\n`);
    // Shards report their parts, the line is of the whole weight.
    expect((await convert('--to', 'meta', '--dtype', 'bf16', '--shards', '2')).errors).toBe(
      `${counts}, 2 as bf16\n`,
    );
    expect((await convert('--to', 'gguf')).errors).toBe('');
    const blocks = await convert('--to', 'gguf', '--quantize', 'q8_0');
    expect([blocks.code, blocks.errors.includes(`${name} in ${source} holds 2 values`)]).toEqual([1, true]);
  });

  it.each<[string[], RegExp]>([
    [[stories, '--to', 'gguf'], /it takes two paths, not 1/],
    [[stories, 'OUT'], /--to is missing/],
    [[stories, 'OUT', '--to', 'ggfu'], /did you mean gguf\?/],
    [[stories, 'OUT', '--to', 'gguf', '--quantize', 'q9_0'], /there is no mix "q9_0"/],
    [[stories, 'OUT', '--to', 'hf', '--dtype', 'int8'], /--dtype is "int8"/],
    [[stories, 'OUT', '--to', 'meta', '--shards', '3'], /which 3 shards cannot share/],
    [['absent', 'OUT', '--to', 'hf'], /no such file or folder/],
  ])('refuses %j in one line, and writes nothing', async (args, message) => {
    const output = join(temporaryFolder(), 'out');
    const { code, errors } = await cria(
      'convert',
      ...args.map((each) => (each === 'OUT' ? output : each)),
      '--no-tokenizer',
    );
    expect(errors).toMatch(message);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
    expect(code).toBe(1);
    expect(existsSync(output)).toBe(false);
  });

  it('says so where there is no vocabulary', async () => {
    const path = join(temporaryFolder(), 'out');
    const { code, errors } = await cria('convert', stories, path, '--to', 'hf', '--shards', '2');
    expect([code, errors]).toEqual([0, expect.stringContaining('no vocabulary lies beside')]);
    expect(readdirSync(path).filter((name) => name.endsWith('.safetensors'))).toHaveLength(2);
  });
});
