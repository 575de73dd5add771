import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from '@cria/tokenizer/node';
import { main } from '../src/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-tokenizer-verbs-'));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function cria(...args: string[]): Promise<{ code: number; out: string; errors: string }> {
  let out = '';
  let errors = '';
  let time = 0;
  const code = await main(['tokenizer', ...args], {
    out: { write: (text) => void (out += text) },
    errors: { write: (text) => void (errors += text) },
    now: () => (time += 0.01),
    time: () => 0,
    tell: () => undefined,
  });
  return { code, out, errors };
}

let trained = { code: -1, out: '', errors: '' };

beforeAll(async () => {
  const names = ['llama', 'alpaca', 'vicuña', 'guanaco', 'cria', 'shepherd'];
  const lines = Array.from(
    { length: 900 },
    (_, i) =>
      `The ${names[i % 6]} number ${i} met the ${names[(i * 5 + 1) % 6]} near the ` +
      `${['river', 'mountain', 'village'][i % 3]}, and ${['sang', 'slept', 'wandered'][(i * 7) % 3]}.`,
  );
  writeFileSync(path('text.txt'), lines.join('\n'));
  const args = ['--data', path('text.txt'), '--vocab-size', '330', '--out', path('a.model')];
  trained = await cria('train', ...args);
});

describe('cria tokenizer', () => {
  it('trains', () => {
    expect(trained).toEqual({ code: 0, out: expect.stringContaining('330 pieces') as string, errors: '' });
  });

  it('encodes and decodes', async () => {
    const text = 'The llama slept.';
    const { out } = await cria('encode', '--tokenizer', path('a.model'), '--text', text, '--bos', '--eos');
    const tokenizer = await loadTokenizer(path('a.model'));
    expect(out.trim().split(' ').map(Number)).toEqual(
      Array.from(tokenizer.encode(text, { addBos: true, addEos: true })),
    );
    const back = await cria('decode', '--tokenizer', path('a.model'), ...out.trim().split(' '));
    expect(back.out).toBe(`${text}\n`);
    const count = await cria('encode', '--tokenizer', path('a.model'), path('text.txt'), '--count');
    expect(Number(count.out)).toBe(tokenizer.countTokens(readFileSync(path('text.txt'), 'utf8')));
    const pieces = await cria('encode', '--tokenizer', path('a.model'), '--text', 'ñ', '--pieces');
    expect(pieces.out).toMatch(/\d+ {2}0\.\.0 .*▁\n +\d+ {2}0\.\.2 /);
  });

  it('trains the byte-level form, in threads', async () => {
    const args = ['--data', path('text.txt'), '--vocab-size', '600', '--byte-level'];
    expect((await cria('train', ...args, '--out', path('b.model'))).code).toBe(0);
    expect((await cria('train', ...args, '--threads', '2', '--out', path('b2.model'))).code).toBe(0);
    expect(readFileSync(path('b2.model')).equals(readFileSync(path('b.model')))).toBe(true);
    expect((await loadTokenizer(path('b.model'))).vocabSize).toBe(600);
  });

  it('converts where nothing is lost and refuses where something would be', async () => {
    const done = await cria('convert', '--tokenizer', path('a.model'), '--out', path('a.json'));
    expect(done.code).toBe(0);
    expect((await loadTokenizer(path('a.json'))).fingerprint).toBe(
      (await loadTokenizer(path('a.model'))).fingerprint,
    );
    const lossy = await cria(
      'convert',
      '--tokenizer',
      path('a.model'),
      '--out',
      path('x'),
      '--format',
      'tiktoken',
    );
    expect([lossy.code, lossy.errors]).toEqual([1, expect.stringContaining('has no byte ranks')]);
  });

  it('says what is missing or wrong', async () => {
    for (const [args, message] of [
      [['encode', '--text', 'x'], '--tokenizer is missing'],
      [['encode', '--tokenizer', path('a.model'), path('absent.txt')], 'absent.txt does not exist'],
      [['decode', '--tokenizer', path('a.model'), '1', 'two'], '"two" is no token id'],
      [['decode', '--tokenizer', path('a.model'), '99999'], 'outside the vocabulary'],
      [['convert', '--tokenizer', path('a.model')], '--out is missing'],
      [
        ['convert', '--tokenizer', path('a.model'), '--out', path('y'), '--format', 'zip'],
        '--format is "zip"',
      ],
      [['train', '--data', path('text.txt'), '--vocab-size', '99999', '--out', path('z')], 'yields only'],
    ] as const) {
      const { code, errors } = await cria(...args);
      expect([code, errors]).toEqual([1, expect.stringContaining(message)]);
    }
  });

  it('shows a vocabulary as text and as one page that runs nothing it was given', async () => {
    writeFileSync(path('evil.txt'), '<script>alert(1)</script> & "quotes" \0 🦙');
    const args = ['--tokenizer', path('a.model'), '--against', path('b.model'), '--html', path('page.html')];
    const { out } = await cria('inspect', ...args, path('text.txt'), path('evil.txt'));
    expect(out).toContain('SentencePiece BPE, 330 ids');
    expect(out).toContain('byte-level BPE, 600 ids, 256 special');
    const page = readFileSync(path('page.html'), 'utf8');
    expect(page).not.toContain('<script>alert');
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page).not.toMatch(/(?:src|href)=/);
    // every token of the small text is there once, in order, with its id
    const tokenizer = await loadTokenizer(path('b.model'));
    const panel = page.slice(page.indexOf('id="panel-1"'), page.indexOf('<h2>Vocabulary'));
    const ids = [...panel.slice(panel.indexOf('evil.txt')).matchAll(/data-t="([^"]*)"/g)].flatMap(
      ([, facts]) => (facts ?? '').split('\n').map((line) => Number(line.split('\t')[0])),
    );
    expect(ids).toEqual(Array.from(tokenizer.encode(readFileSync(path('evil.txt'), 'utf8'))));
  });
});
