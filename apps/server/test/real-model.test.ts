import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadModel } from '../src/load-model.ts';
import { getJson, post, sourceArgv, waitFor } from './tiny-server.ts';

const data = new URL('../../../../shared/data/models/', import.meta.url);
const file = (name: string) => fileURLToPath(new URL(name, data));
const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const model = ['--model', file('stories260K.bin'), '--tokenizer', file('tok512.bin')];
const greedy = () => readFileSync(file('stories260K.greedy200.txt'), 'utf8');
const present = existsSync(file('stories260K.bin'));
if (!present) console.warn(`skipped the real model: ${file('stories260K.bin')} is absent`);

describe.skipIf(!present)('the program with stories260K', () => {
  let child: ChildProcessWithoutNullStreams | undefined;
  afterEach(() => void child?.kill('SIGKILL'));

  function start(...args: string[]) {
    const started = spawn(process.execPath, [...sourceArgv, cli, '--port', '0', ...args]);
    child = started;
    const texts = { out: '', errors: '' };
    started.stderr.on('data', (text) => (texts.errors += text));
    const ended = new Promise<[code: number | null, signal: string | null]>((resolve) =>
      started.on('close', (...how) => resolve(how)),
    );
    const url = new Promise<string>((resolve) => {
      started.stdout.on('data', (text) => {
        const [found] = /http:\S+/.exec((texts.out += text)) ?? [];
        if (found) resolve(found);
      });
    });
    return { child: started, url, ended, texts };
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'continues as its authors say, ends running texts at %s and exits with 0',
    async (signal) => {
      const { child, url, ended, texts } = start(...model, '--threads', '1');
      const address = await url;
      const asked = post(address, { prompt: '', temperature: 0, max_tokens: 199, n: 32 });
      await waitFor(async () => (await getJson(`${address}/health`)).body.active > 0);
      child.stdout.destroy(); // nobody reads what it prints any more
      child.kill(signal);
      const { status, body } = await asked;
      expect([status, body.usage.completion_tokens]).toEqual([200, 32 * 199]);
      for (const { text } of body.choices) expect(greedy()).toContain(text);
      expect([await ended, texts.errors]).toEqual([[0, null], '']);
    },
  );

  it('says in one line what is wrong with a model, and exits with 1', async () => {
    const { ended, texts } = start('--model', file('tok512.bin'));
    expect([await ended, texts.out]).toEqual([[1, null], '']);
    expect(texts.errors).toMatch(oneLine('\\n'));
  });

  it('loads nothing that is broken, and says what is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-server-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [cut, noise, absent] = ['cut.bin', 'noise.bin', 'absent'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]; // three names, three paths
    writeFileSync(cut, readFileSync(file('stories260K.bin')).subarray(0, 500_000));
    writeFileSync(noise, 'this is no model at all, but it has some bytes');
    const [whole, tokenizer] = [file('stories260K.bin'), file('tok512.bin')];
    const cases: [model: string, tokenizer?: string][] = [
      [cut, tokenizer],
      [noise, tokenizer],
      [absent],
      [folder],
      [cut],
      [whole, noise],
      [whole, absent],
    ];
    for (const [model, tokenizer] of cases) {
      const settings = { model, device: 'cpu', maxSequences: 1, maxWaiting: 1, maxBatchRows: 64 } as const;
      const loading = loadModel({ ...settings, ...(tokenizer && { tokenizer }) });
      await expect(loading, `${model} ${tokenizer}`).rejects.toThrow(oneLine(''));
    }
  });
});

/** `[where] what. hint: what to do` */
function oneLine(end: string): RegExp {
  return new RegExp(`^\\[[\\w.-]+\\] .{10,300}${end}$`);
}
