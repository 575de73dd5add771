import { existsSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertCheckpoint, openCheckpoint } from '@cria/checkpoint';
import { cpuAvailability } from '@cria/cpu';
import { generate } from '@cria/inference';
import { afterAll, describe, expect, it } from 'vitest';
import { loadModel } from '../src/load-model.ts';

const data = new URL('../../../../shared/data/models/', import.meta.url);
const file = (name: string) => fileURLToPath(new URL(name, data));
const present = existsSync(data) && cpuAvailability().available;
if (!present)
  console.warn(`skipped weights as they are stored: ${file('')} is absent, or native kernels are`);
const folder = mkdtempSync(join(tmpdir(), 'cria-server-'));
afterAll(() => rmSync(folder, { recursive: true }));

const settings = { tokenizer: file('tok512.bin'), maxSequences: 1, maxWaiting: 1, maxBatchRows: 64 } as const;

describe.skipIf(!present)('a model is served as its weights are stored', () => {
  it.each([
    ['f32', { dtype: 'f32' }],
    ['bf16', { dtype: 'bf16' }],
    ['f16', { dtype: 'f16' }],
    ['q8_0', { quantize: 'q8_0' }],
    ['q4_0', { quantize: 'q4_0' }],
  ] as const)('%s: packed, mapped or not, with one text', async (dtype, options) => {
    const model = join(folder, `${dtype}.gguf`);
    await convertCheckpoint(await openCheckpoint(file('stories260K.bin')), model, { to: 'gguf', ...options });
    const texts = new Set<string>();
    for (const [device, mmap] of [
      ['cpu', true],
      ['cpu', false],
      ['reference', true],
    ] as const) {
      const loaded = await loadModel({ ...settings, model, device, mmap });
      const wq = loaded.model.parameters.get('layers.2.attention.wq.weight')!.value;
      expect(wq.dtype).toBe(dtype);
      if (device === 'cpu') {
        expect(wq.layout).not.toBe('plain');
        const { text } = await generate(loaded.model, loaded.tokenizer, '', {
          temperature: 0,
          maxTokens: 60,
        });
        expect(text).toMatch(/^Once upon a time, there was a/);
        texts.add(text);
      }
      loaded.model.device[Symbol.dispose]();
    }
    expect(texts.size).toBe(1);
  });

  it('that was read and not mapped survives its file being cut', async () => {
    const model = join(folder, 'cut.gguf');
    await convertCheckpoint(await openCheckpoint(file('stories260K.bin')), model, {
      to: 'gguf',
      dtype: 'f32',
    });
    const loaded = await loadModel({ ...settings, model, device: 'cpu', mmap: false });
    truncateSync(model, 10);
    const { text } = await generate(loaded.model, loaded.tokenizer, '', { temperature: 0, maxTokens: 20 });
    expect(text).toMatch(/^Once upon a time/);
    loaded.model.device[Symbol.dispose]();
  });
});
