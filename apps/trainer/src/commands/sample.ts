import { describeNotFinite, loadForInference, openModel } from '@cria/checkpoint';
import { deviceChoice, deviceChoices } from '@cria/devices';
import { type CacheDType, cacheDTypes, Engine } from '@cria/inference';
import { fail } from '@cria/tensor';
import { numberFlag } from '../arguments.ts';
import { command } from '../command.ts';
import { openRunDevice } from '../run/device.ts';

/** Text from a trained model, as it appears. */
export const sample = command({
  summary: 'continue a prompt with a trained model',
  usage: 'cria sample --model FOLDER_OR_FILE [--prompt TEXT]',
  flags: {
    model: {
      type: 'string',
      value: 'PATH',
      help: 'run folder, training state, Hugging Face folder, GGUF or llama2.c file',
    },
    tokenizer: { type: 'string', value: 'FILE', help: 'tokenizer, where it does not lie beside the model' },
    prompt: { type: 'string', value: 'TEXT', help: 'what to continue; nothing' },
    'max-tokens': { type: 'string', value: 'N', help: 'most tokens; 200' },
    temperature: { type: 'string', value: 'T', help: '0 takes the likeliest token; 0.8' },
    'top-p': { type: 'string', value: 'P', help: 'the likeliest tokens that hold this much; 0.95' },
    'top-k': { type: 'string', value: 'K', help: 'so many of the likeliest tokens; all' },
    seed: { type: 'string', value: 'N', help: 'same seed, same text; 0' },
    'cache-dtype': {
      type: 'string',
      value: 'NAME',
      help: 'how keys and values are kept: f32, bf16, f16 or q8_0; bf16',
    },
    count: { type: 'string', value: 'N', help: 'how many texts, with seeds counting up; 1' },
    device: { type: 'string', value: 'NAME', help: deviceChoices.join(', ') },
    threads: { type: 'string', value: 'N', help: 'one a core' },
    'no-mmap': {
      type: 'boolean',
      help: 'read the weights instead of mapping their files, which others may cut meanwhile',
    },
  },
  async run({ values }, { out, errors, now }) {
    const number = (
      name: 'max-tokens' | 'temperature' | 'top-p' | 'top-k' | 'seed' | 'count' | 'threads',
      fallback: number,
      bounds: object,
    ) => (values[name] === undefined ? fallback : numberFlag('sample', name, values[name], bounds));
    if (values.model === undefined)
      fail('cria sample', '--model is missing.', 'give a run folder or a checkpoint');
    const whole = { min: 0, integer: true };
    const request = {
      prompt: values.prompt ?? '',
      maxTokens: number('max-tokens', 200, { ...whole, min: 1 }),
      temperature: number('temperature', 0.8, { min: 0 }),
      topP: number('top-p', 0.95, { min: 0, max: 1 }),
      topK: number('top-k', 0, whole),
    };
    const seed = number('seed', 0, whole);
    const named = values.tokenizer === undefined ? {} : { tokenizer: values.tokenizer };
    const { checkpoint, tokenizer, stopIds: eosIds } = await openModel(values.model, named);
    const threads = number('threads', 0, whole);
    const choice = deviceChoice('cria sample', '--device', values.device ?? 'auto');
    using device = await openRunDevice({ device: choice, threads }, (line) => errors.write(`${line}\n`));
    const { model } = await loadForInference(checkpoint, device, {
      mmap: !values['no-mmap'],
      onNotFinite: (report) => errors.write(`warning: ${describeNotFinite(report)}\n`),
    });
    const cacheDType = cacheName(values['cache-dtype']);
    await using engine = new Engine({ model, tokenizer, eosIds, maxSequences: 1, cacheDType });
    errors.write(`(a cache of ${(engine.stats.cacheBytes / 2 ** 20).toFixed(1)} MiB)\n`);
    // One after another: a person reads them so, and each shows the speed of one text.
    for (let i = 0; i < number('count', 1, { ...whole, min: 1 }); i++) {
      const start = now();
      let tokens = 0;
      out.write(request.prompt); // the text goes on from it
      for await (const chunk of engine.generate({
        ...request,
        maxTokens: Math.min(request.maxTokens, engine.contextLength),
        seed: seed + i,
      })) {
        out.write(chunk.text);
        tokens = chunk.usage.completionTokens;
      }
      out.write('\n');
      errors.write(`(${tokens} tokens, ${(tokens / (now() - start)).toFixed(0)} tokens/s)\n`);
    }
  },
});

/** bf16 is what the server takes, so that both give the same text. */
function cacheName(name = 'bf16'): CacheDType {
  return (
    cacheDTypes.find((known) => known === name) ??
    fail('cria sample', `--cache-dtype is "${name}".`, `give ${cacheDTypes.join(', ')}`)
  );
}
