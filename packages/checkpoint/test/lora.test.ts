import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Checkpoint,
  convertCheckpoint,
  loadForInference,
  mergeLora,
  openCheckpoint,
  readLora,
  writeLora,
} from '@cria/checkpoint';
import { openStep, reference } from '@cria/tensor';
import { describe, expect, it } from 'vitest';
import { fixtures, have, plainParse, temporaryFolder } from './helpers.ts';

/** Adapters written by peft, with its logits (vectors/lora.py). */
const vectors = fileURLToPath(new URL('vectors/lora/', import.meta.url));
const shared = join(fixtures, 'lora');

interface Expected {
  readonly base: string;
  readonly ids: readonly number[];
  /** Of the last position. */
  readonly logits: readonly number[];
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T; // files of this test
}

const cases = readdirSync(vectors).filter((name) => {
  return readdirSync(join(vectors, name)).includes('adapter_config.json');
});

async function lastLogits(checkpoint: Checkpoint, ids: readonly number[]): Promise<Float32Array> {
  const device = reference();
  using loaded = await loadForInference(checkpoint, device, { mmap: false });
  using step = openStep(device, { rows: ids.length });
  const { model } = loaded;
  const hidden = model.forward(model.tokens(ids, step), step);
  return model.logits(hidden, step, [ids.length - 1]).toFloat32();
}

/** A copy of an adapter with other settings. */
function withSettings(folder: string, changes: object): string {
  const out = temporaryFolder();
  cpSync(folder, out, { recursive: true });
  const settings = readJson<object>(join(folder, 'adapter_config.json'));
  writeFileSync(join(out, 'adapter_config.json'), JSON.stringify({ ...settings, ...changes }));
  return out;
}

describe('adapters that peft wrote', () => {
  it('are there', () => expect(cases.length).toBeGreaterThanOrEqual(5));

  it.each(cases)('%s: the logits of peft', async (name) => {
    const folder = join(vectors, name);
    const expected = readJson<Expected>(join(folder, 'expected.json'));
    const base = await openCheckpoint(join(vectors, expected.base));
    const merged = mergeLora(base, await readLora(folder, base.config));
    const got = await lastLogits(merged, expected.ids);
    expected.logits.forEach((value, i) => expect(Math.abs(got[i]! - value), `logit ${i}`).toBeLessThan(2e-5));
  });

  it.each(cases)('%s: written and read again, the same bits of every weight', async (name) => {
    const folder = join(vectors, name);
    const { config } = await openCheckpoint(
      join(vectors, readJson<Expected>(join(folder, 'expected.json')).base),
    );
    const adapter = await readLora(folder, config);
    const out = temporaryFolder();
    await writeLora(out, adapter, config);
    const again = await readLora(out, config);
    expect(again.factors).toEqual(adapter.factors);
    expect([...again.saved.keys()].sort()).toEqual([...adapter.saved.keys()].sort());
    const bits = (file: string) => {
      const all = Object.entries(plainParse(join(file, 'adapter_model.safetensors')));
      return new Map(all.map(([key, tensor]) => [key.replace('.base_layer', ''), tensor]));
    };
    expect(bits(out)).toEqual(bits(folder));
  });
});

describe('what is not known to be plain LoRA', () => {
  const folder = join(vectors, 'patterns');
  const config = openCheckpoint(join(vectors, 'untied')).then((checkpoint) => checkpoint.config);

  it.each([
    ['peft_type', 'IA3', 'peft_type is "IA3"'],
    ['use_dora', true, 'use_dora is true'],
    ['bias', 'all', 'bias is "all"'],
    ['bias', 'lora_only', 'bias is "lora_only"'],
    ['r', 'four', 'r is "four"'],
    ['r', 5, 'their rank is said to be 5'],
    ['rank_pattern', {}, 'their rank is said to be 4'],
    ['rank_pattern', { '(': 2 }, '"(" in rank_pattern is no expression'],
    ['alpha_pattern', { v_proj: 'x' }, 'alpha_pattern of v_proj is "x"'],
    ['init_lora_weights', 'pissa', 'init_lora_weights is "pissa"'],
    ['init_lora_weights', 'pissa_niter_4', 'init_lora_weights is "pissa_niter_4"'],
    ['init_lora_weights', 'olora', 'path_initial_model_for_weight_conversion'],
    ['init_lora_weights', 'loftq', 'init_lora_weights is "loftq"'],
    ['loftq_config', { loftq_bits: 4 }, 'loftq_config is {"loftq_bits":4}'],
    ['layer_replication', [[0, 2]], 'layer_replication is [[0,2]]'],
    ['trainable_token_indices', [1], 'trainable_token_indices is [1]'],
    ['target_parameters', ['x.weight'], 'target_parameters is ["x.weight"]'],
    ['use_qalora', true, 'use_qalora is true'],
    ['alora_invocation_tokens', [5], 'alora_invocation_tokens is [5]'],
    ['task_type', 'SEQ_CLS', 'task_type is "SEQ_CLS"'],
    ['eva_config', { rho: 2 }, 'eva_config is {"rho":2}'],
    ['a_field_of_next_year', 'new mathematics', 'a_field_of_next_year is "new mathematics"'],
  ])('is refused by name: %s %j', async (field, value, message) => {
    await expect(readLora(withSettings(folder, { [field]: value }), await config)).rejects.toThrow(message);
  });

  it.each([
    ['init_lora_weights', [true, false, 'gaussian', 'eva', null]],
    ['a_field_of_next_year', [null, false, '', [], {}]],
    ['target_modules', ['all-linear', ['q_proj']]],
    ['layers_to_transform', [null, [0, 1]]],
    ['auto_mapping', [null, { base_model_class: 'LlamaForCausalLM' }]],
  ] as const)('is read where it does no harm: %s %j', async (field, values) => {
    for (const value of values)
      expect((await readLora(withSettings(folder, { [field]: value }), await config)).rank).toBe(4);
    const eva = { init_lora_weights: 'eva', eva_config: { rho: 2 } };
    expect((await readLora(withSettings(folder, eva), await config)).rank).toBe(4);
  });

  it('is refused where a weight is held as a whole that no setting names', async () => {
    const saved = withSettings(join(vectors, 'modules-to-save'), { modules_to_save: ['lm_head', 'k_proj'] });
    await expect(readLora(saved, await config)).rejects.toThrow('input_layernorm.weight');
  });

  it('is refused for a model of another shape', async () => {
    const base = await openCheckpoint(join(vectors, 'untied'));
    const tensors = new Map(base.tensors);
    const wq = tensors.get('layers.0.attention.wq.weight')!;
    tensors.set(wq.name, { ...wq, shape: [8, 32] });
    const adapter = await readLora(folder, base.config);
    expect(() => mergeLora({ ...base, tensors }, adapter)).toThrow(
      'the adapter of layers.0.attention.wq.weight makes [16, 16], the weight is [8, 32]',
    );
    tensors.set(wq.name, wq);
    const output = tensors.get('output.weight')!;
    tensors.set(output.name, { ...output, shape: [24, 16] });
    const saved = await readLora(join(vectors, 'modules-to-save'), base.config);
    expect(() => mergeLora({ ...base, tensors }, saved)).toThrow('of the adapter is [23, 16]');
  });
});

describe.skipIf(!have(shared))('the LoRA fixture', () => {
  const settings = have(shared) ? readJson<{ r: number }>(join(shared, 'adapter_config.json')) : { r: 0 };
  const inputs = have(shared) ? readJson<{ model: string }>(join(shared, 'inputs.json')) : { model: '' };
  const base = join(fixtures, inputs.model);

  it('merges to the weights of peft', async () => {
    const checkpoint = await openCheckpoint(base);
    const adapter = await readLora(shared, checkpoint.config);
    expect(adapter.rank).toBe(settings.r);
    const out = join(temporaryFolder(), 'merged');
    await convertCheckpoint(mergeLora(checkpoint, adapter), out, { to: 'hf' });
    const merged = plainParse(join(out, 'model.safetensors'));
    const original = plainParse(join(base, 'model.safetensors'));
    const expected = plainParse(join(shared, 'expected.safetensors'));
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
    const wanted = Object.keys(expected).filter((name) => name.startsWith('merged.'));
    expect([compared, adapter.factors.size]).toEqual([wanted.length, wanted.length]);
  });

  it('comes back bit for bit, also through a type of 16 bits', async () => {
    const { config } = await openCheckpoint(base);
    const adapter = await readLora(shared, config);
    const out = temporaryFolder();
    await writeLora(out, adapter, config);
    const [ours, theirs] = [out, shared].map((each) => plainParse(join(each, 'adapter_model.safetensors')));
    expect(ours).toEqual(theirs);
    expect(readJson(join(out, 'adapter_config.json'))).toEqual(settings);
    await writeLora(out, adapter, config, { dtype: 'bf16' });
    const rounded = await readLora(out, config);
    for (const [name, { a }] of rounded.factors) {
      const exact = adapter.factors.get(name)!.a;
      a.forEach((value, i) =>
        expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(2 ** -8 * Math.abs(exact[i]!)),
      );
    }
  });
});
