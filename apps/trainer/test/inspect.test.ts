import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cria, root, temporaryFolder } from './helpers.ts';

const data = join(root, '../shared/data');
const here = existsSync(data);
if (!here) console.log(`skipped: ${data} is not on this machine`);

describe.skipIf(!here)('cria inspect', () => {
  it('shows figures, tensors and metadata of a model', async () => {
    const { code, out } = await cria('inspect', join(data, 'models/llama-2-tiny-random.gguf'));
    expect(code).toBe(0);
    for (const text of [
      'format',
      'gguf',
      '32000',
      'token_embd.weight',
      'f16',
      '32000 × 8',
      'memory as f32',
      'tokenizer.ggml.tokens',
    ])
      expect(out).toContain(text);
    expect(out).toMatch(/tokenizer +32000 tokens in \S+llama-2-tiny-random\.gguf/);
    expect(out).toMatch(/ends a text +2\n/);
    const alone = await cria('inspect', join(data, 'models/stories260K.bin'));
    expect(alone.out).toContain('no vocabulary lies beside');
    expect(alone.out).toContain('layers.4.feed_forward.w3.weight');
  });

  it('writes a page, with every name escaped', async () => {
    const page = join(temporaryFolder(), 'page.html');
    const { code } = await cria('inspect', join(data, 'models/stories260K.bin'), '--html', page);
    expect(code).toBe(0);
    const html = readFileSync(page, 'utf8');
    expect(html).toContain('layers.4.feed_forward.w3.weight');
    expect(html).toContain('260,032');
    expect(html).not.toContain('<script');
    const evil = join(temporaryFolder(), 'evil.safetensors');
    const header = Buffer.from('{"<b>\\u001b[2J":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}');
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    writeFileSync(evil, Buffer.concat([length, header, Buffer.from([7])]));
    await cria('inspect', evil, '--html', page);
    expect(readFileSync(page, 'utf8')).toContain('&lt;b&gt;');
    expect((await cria('inspect', evil)).out).not.toContain('\u001b');
  });

  it('opens what is no model: vocabularies and adapters', async () => {
    const { code, out } = await cria('inspect', join(data, 'tokenizer/gpt2.vocab.gguf'));
    expect(code).toBe(0);
    expect(out).toContain('it holds a vocabulary only');
    expect((await cria('inspect', join(data, 'text/tinyshakespeare.txt'))).code).toBe(1);
    expect((await cria('inspect')).errors).toContain('it takes one path, not 0');
  });
});
