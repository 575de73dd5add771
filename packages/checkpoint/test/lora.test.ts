import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint, mergeLora, openCheckpoint, readLora, writeLora } from '@cria/checkpoint';
import { fixtures, have, plainParse, temporaryFolder } from './helpers.ts';

const folder = join(fixtures, 'lora');
const base = join(fixtures, 'llama/mha');

describe.skipIf(!have(folder))('LoRA adapters of PEFT', () => {
  it('merge to the weights of peft', async () => {
    const checkpoint = await openCheckpoint(base);
    const adapter = await readLora(folder, checkpoint.config);
    expect([adapter.rank, adapter.alpha, adapter.factors.size]).toEqual([4, 8, 4]);
    const out = join(temporaryFolder(), 'merged');
    await convertCheckpoint(mergeLora(checkpoint, adapter), out, { to: 'hf' });
    const merged = plainParse(join(out, 'model.safetensors'));
    const original = plainParse(join(base, 'model.safetensors'));
    const expected = plainParse(join(folder, 'expected.safetensors'));
    let compared = 0;
    for (const [name, tensor] of Object.entries(merged)) {
      const wanted = expected[`merged.base_model.model.${name}`] ?? expected[`merged.${name}`];
      if (!wanted) {
        expect(tensor.bytes.equals(original[name]!.bytes), name).toBe(true);
        continue;
      }
      compared++;
      for (let i = 0; i < tensor.bytes.length / 4; i++) {
        const exact = wanted.bytes.readDoubleLE(8 * i);
        expect(Math.abs(tensor.bytes.readFloatLE(4 * i) - exact)).toBeLessThanOrEqual(
          2 ** -23 * Math.abs(exact) + 1e-9,
        );
      }
    }
    expect(compared).toBe(4);
  });

  it('come back bit for bit, also through a type of 16 bits', async () => {
    const { config } = await openCheckpoint(base);
    const adapter = await readLora(folder, config);
    const out = temporaryFolder();
    await writeLora(out, adapter, config);
    const [ours, theirs] = [
      plainParse(join(out, 'adapter_model.safetensors')),
      plainParse(join(folder, 'adapter_model.safetensors')),
    ];
    expect(ours).toEqual(theirs);
    expect(JSON.parse(readFileSync(join(out, 'adapter_config.json'), 'utf8'))).toEqual(
      JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')),
    );
    await writeLora(out, adapter, config, { dtype: 'BF16' });
    const rounded = await readLora(out, config);
    for (const [name, { a }] of rounded.factors) {
      const exact = adapter.factors.get(name)!.a;
      a.forEach((value, i) =>
        expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(2 ** -8 * Math.abs(exact[i]!)),
      );
    }
  });

  it.each([
    ['peft_type', 'IA3', 'peft_type is "IA3"'],
    ['use_dora', true, 'use_dora is true'],
    ['bias', 'all', 'bias is "all"'],
    ['modules_to_save', ['lm_head'], 'modules_to_save is ["lm_head"]'],
    ['r', 'four', 'r is "four"'],
  ])('are refused where %s is %j', async (field, value, message) => {
    const { config } = await openCheckpoint(base);
    const out = temporaryFolder();
    cpSync(folder, out, { recursive: true });
    const settings = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    writeFileSync(join(out, 'adapter_config.json'), JSON.stringify({ ...settings, [field]: value }));
    await expect(readLora(out, config)).rejects.toThrow(message);
  });

  it('are refused for another model', async () => {
    const other = await openCheckpoint(join(fixtures, 'llama/gqa'));
    const adapter = await readLora(folder, (await openCheckpoint(base)).config);
    expect(() => mergeLora(other, adapter)).toThrow(
      'the adapter of layers.0.attention.wq.weight makes [32, 32], the weight is [48, 48]',
    );
  });
});
