import { describeNotFinite, loadForInference, openModel } from '@cria/checkpoint';
import { deviceChoices } from '@cria/devices';
import { cacheDTypes, Engine } from '@cria/inference';
import { command } from '../command.ts';
import { openRunDevice } from '../run/device.ts';

/** Text from a trained model, as it appears. */
export const sample = command({
  summary: 'continue a prompt with a trained model',
  usage: 'cria sample --model FOLDER_OR_FILE [--prompt TEXT]',
  flags: {
    model: {
      takes: 'text',
      value: 'PATH',
      help: 'run folder, training state, Hugging Face folder, GGUF or llama2.c file',
      required: 'give a run folder or a checkpoint',
    },
    tokenizer: { takes: 'text', value: 'FILE', help: 'tokenizer, where it does not lie beside the model' },
    prompt: { takes: 'text', help: 'what to continue', default: '', otherwise: 'nothing' },
    'max-tokens': { takes: 'whole', from: 1, help: 'most tokens', default: 200 },
    temperature: { takes: 'number', value: 'T', from: 0, help: '0 takes the likeliest token', default: 0.8 },
    'top-p': {
      takes: 'number',
      value: 'P',
      from: 0,
      to: 1,
      help: 'the likeliest tokens that hold this much',
      default: 0.95,
    },
    'top-k': {
      takes: 'whole',
      value: 'K',
      from: 0,
      help: 'so many of the likeliest tokens',
      default: 0,
      otherwise: 'all',
    },
    seed: { takes: 'whole', from: 0, help: 'same seed, same text', default: 0 },
    // bf16 is what the server takes, so that both give the same text.
    'cache-dtype': { takes: cacheDTypes, help: 'how keys and values are kept', default: 'bf16' },
    count: { takes: 'whole', from: 1, help: 'how many texts, with seeds counting up', default: 1 },
    device: { takes: deviceChoices, help: 'where to compute', default: 'auto' },
    threads: { takes: 'whole', from: 0, help: 'threads that compute', default: 0, otherwise: 'one a core' },
    'no-mmap': {
      takes: 'nothing',
      help: 'read the weights instead of mapping their files, which others may cut meanwhile',
    },
  },
  async run({ values }, { out, errors, now }) {
    const { seed, threads, device: choice, 'cache-dtype': cacheDType } = values;
    const request = {
      prompt: values.prompt,
      maxTokens: values['max-tokens'],
      temperature: values.temperature,
      topP: values['top-p'],
      topK: values['top-k'],
    };
    const named = values.tokenizer === undefined ? {} : { tokenizer: values.tokenizer };
    const { checkpoint, tokenizer, stopIds: eosIds } = await openModel(values.model, named);
    using device = await openRunDevice({ device: choice, threads }, (line) => errors.write(`${line}\n`));
    const { model } = await loadForInference(checkpoint, device, {
      mmap: !values['no-mmap'],
      onNotFinite: (report) => errors.write(`warning: ${describeNotFinite(report)}\n`),
    });
    await using engine = new Engine({ model, tokenizer, eosIds, maxSequences: 1, cacheDType });
    // What is not the text goes to stderr, so that a pipe gets the text alone.
    errors.write(`(a cache of ${(engine.stats.cacheBytes / 2 ** 20).toFixed(1)} MiB)\n`);
    // One after another: a person reads them so, and each shows the speed of one text.
    for (let i = 0; i < values.count; i++) {
      const start = now();
      let tokens = 0;
      out.write(request.prompt); // the text goes on from it
      for await (const chunk of engine.generate({
        ...request,
        // The engine refuses more than fits, where a person only meant a long text.
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
