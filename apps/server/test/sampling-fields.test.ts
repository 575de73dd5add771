import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplingOptions } from '../src/schema/sampling.ts';
import type { RunningServer } from '../src/index.ts';
import { post, tinyServer } from './tiny-server.ts';

let server: RunningServer;
beforeAll(async () => void (server = await tinyServer({ untilClosed: true })));
afterAll(() => server.close());

// So hot that the tiny model, which is sure of everything, is not.
const common = { prompt: 'once', max_tokens: 12, seed: 3, ignore_eos: true, temperature: 15 } as const;
const text = async (fields: object) => {
  const { status, body } = await post(server.url, { ...common, ...fields });
  expect([status, body.error]).toEqual([200, undefined]);
  return body.choices[0].text as string;
};

describe('sampling fields', () => {
  it.each<[string, object]>([
    ['dynamic temperature', { dynatemp_range: 14, dynatemp_exponent: 3 }],
    ['typical', { typical_p: 0.3 }],
    ['top n sigma', { top_n_sigma: 0.3 }],
    ['XTC', { xtc_probability: 1, xtc_threshold: 0.001 }],
    ['DRY', { dry_multiplier: 50, dry_allowed_length: 0, dry_base: 2, dry_sequence_breakers: [] }],
    ['mirostat 1', { mirostat: 1, mirostat_tau: 0.5, mirostat_eta: 0.1 }],
    ['mirostat 2', { mirostat: 2, mirostat_tau: 0.5 }],
    ['a window', { repeat_penalty: 50, repeat_last_n: 1 }],
    ['biases', { logit_bias: { 70: 100 } }],
    ['biases in a list', { logit_bias: [[70, 100]] }],
    ['allowed ids', { allowed_token_ids: [68, 69, 70] }],
  ])('%s changes the text', async (_, fields) => {
    expect(await text(fields)).not.toBe(await text({}));
  });

  it('that ask for nothing change nothing', async () => {
    const nothing = {
      dynatemp_range: 0,
      typical_p: 1,
      top_n_sigma: -1,
      xtc_probability: 0,
      xtc_threshold: 0.1,
      dry_multiplier: 0,
      dry_sequence_breakers: ['\n'],
      mirostat: 0,
      mirostat_tau: 5,
      repeat_last_n: 64,
      repeat_penalty: 1,
      logit_bias: {},
      min_tokens: 0,
      samplers: 'huggingface',
    };
    expect(await text(nothing)).toBe(await text({}));
    expect(await text({ dry_base: null, mirostat: null, samplers: null, logit_bias: null })).toBe(
      await text({}),
    );
  });

  it('a bias of false bans, and one decides where others are equal', async () => {
    // Ids are bytes here: 65 is A.
    const two = { allowed_token_ids: [65, 66] };
    expect(await text({ ...two, logit_bias: [[65, false]] })).toBe('B'.repeat(12));
    expect(await text({ ...two, logit_bias: { 66: -100 }, temperature: 0 })).toBe('A'.repeat(12));
    expect(await text({ ...two, temperature: 1e30 })).toMatch(/^(?=.*A)(?=.*B)[AB]{12}$/);
  });

  it('put the samplers in order by llama.cpp’s names', () => {
    const { samplers } = samplingOptions({ samplers: ['top_k', 'typ_p', 'temp', 'dry'] });
    expect(samplers).toEqual(['topK', 'typicalP', 'temperature', 'dry']);
    expect(samplingOptions({ samplers: 'llama.cpp' }).samplers).toBe('llama.cpp');
  });

  it.each<[object, string, string]>([
    [{ typical_p: 1.1 }, 'typical_p', 'a number from 0 to 1'],
    [{ top_n_sigma: -2 }, 'top_n_sigma', 'a number from -1 on'],
    [{ dry_base: 0.9 }, 'dry_base', 'a number from 1 on'],
    [{ dry_multiplier: -1 }, 'dry_multiplier', 'a number from 0 on'],
    [{ dry_sequence_breakers: [''] }, 'dry_sequence_breakers', 'none empty'],
    [{ mirostat: 3 }, 'mirostat', 'a whole number from 0 to 2'],
    [{ mirostat_tau: 101 }, 'mirostat_tau', 'from 0 to 100'],
    [{ repeat_last_n: -2 }, 'repeat_last_n', 'from -1 to'],
    [{ logit_bias: { 70: 101 } }, 'logit_bias', 'from -100 to 100'],
    [{ logit_bias: { x: 1 } }, 'logit_bias', 'an object of token ids'],
    [{ logit_bias: [[70, true]] }, 'logit_bias', 'where false bans the id'],
    [{ logit_bias: { 9999: 1 } }, 'logit_bias', 'token ids from 0 to 257'],
    [{ allowed_token_ids: [] }, 'allowed_token_ids', 'at least one'],
    [{ allowed_token_ids: [258] }, 'allowed_token_ids', 'token ids from 0 to 257'],
    [{ samplers: ['top_q'] }, 'samplers', 'typ_p'],
    [{ samplers: 'kfypmxt' }, 'samplers', '"huggingface", "llama.cpp"'],
    [{ min_tokens: -1 }, 'min_tokens', 'a whole number'],
  ])('%j is refused', async (fields, param, message) => {
    const { status, body } = await post(server.url, { ...common, ...fields });
    expect([status, body.error.param]).toEqual([400, param]);
    expect(body.error.message).toContain(message);
  });
});
