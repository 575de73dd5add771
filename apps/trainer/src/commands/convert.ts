import { existsSync, readFileSync } from 'node:fs';
import {
  type Checkpoint,
  convertCheckpoint,
  type ConversionTarget,
  describeNotFinite,
  findTokenizer,
  loadForInference,
  type NotFiniteReport,
  openCheckpoint,
  type OpenedModel,
  openModel,
  readImportance,
  type WeightReport,
} from '@cria/checkpoint';
import { nativeQuantizer } from '@cria/cpu';
import { perplexity } from '@cria/evaluation';
import { type ComputeDType, fail, floatDTypes } from '@cria/tensor';
import { command } from '../command.ts';
import { openRunDevice } from '../run/device.ts';
import { count, duration } from '../show/format.ts';
import { vocabularyFor } from './convert-vocabulary.ts';

const targets = ['hf', 'meta', 'gguf', 'llama2c'] as const satisfies readonly ConversionTarget[];

/** A model from one format into another, weight by weight. */
export const convert = command({
  summary: 'write a model in another format, or quantised',
  usage: 'cria convert IN OUT --to hf|meta|gguf|llama2c [--dtype bf16 | --quantize q4_k_m]',
  flags: {
    to: {
      takes: targets,
      value: 'FORMAT',
      help: 'folders of hf and meta, files of the others',
      required: `give ${targets.join(', ')}`,
    },
    dtype: { takes: 'text', value: 'TYPE', help: 'f32, bf16, f16 or f64', otherwise: 'as it is stored' },
    quantize: { takes: 'text', value: 'MIX', help: 'q8_0, q4_0, q4_k_m, q5_k_m, q6_k, …; for gguf' },
    shards: {
      takes: 'whole',
      from: 1,
      to: 1024,
      help: 'meta: model-parallel degree; hf: files of weights',
      otherwise: '1',
    },
    importance: {
      takes: 'text',
      value: 'FILE',
      help: 'activation statistics of llama-imatrix, to weigh the errors of quantised weights',
    },
    perplexity: { takes: 'text', value: 'FILE', help: 'tell the perplexity of this text before and after' },
    tokenizer: { takes: 'text', value: 'FILE', help: 'vocabulary, where it does not lie beside the weights' },
    'no-tokenizer': { takes: 'nothing', help: 'write no vocabulary' },
    threads: { takes: 'whole', from: 1, to: 256, help: 'threads that quantise', otherwise: 'one a core' },
    'no-mmap': {
      takes: 'nothing',
      help: 'read the weights instead of mapping them: for files that others may cut meanwhile',
    },
  },
  async run({ values, words }, { out, errors, now }) {
    const [input, output, ...rest] = words;
    if (input === undefined || output === undefined || rest.length > 0)
      fail('cria convert', `it takes two paths, not ${words.length}.`, 'cria convert IN OUT --to gguf');
    const began = now();
    const { source, model } = await openSource(input, values, (line) => errors.write(`${line}\n`));
    const { to, threads, shards } = values;
    // Threads are started only where there is something to quantise.
    using quantizer =
      values.quantize === undefined ? undefined : nativeQuantizer(threads === undefined ? {} : { threads });
    const reports: WeightReport[] = [];
    const warn = (loss: string) => errors.write(`warning: a GGUF file cannot say ${loss}\n`);
    await convertCheckpoint(source, output, {
      to,
      ...(values.dtype === undefined ? {} : { dtype: floatDType(values.dtype) }),
      ...(values.quantize === undefined ? {} : { quantize: values.quantize }),
      ...(shards === undefined ? {} : { shards }),
      ...(values.importance === undefined ? {} : { importance: await readImportance(values.importance) }),
      ...(quantizer
        ? { quantizer: values['no-mmap'] ? { quantize: quantizer.quantize.bind(quantizer) } : quantizer }
        : {}),
      ...(model ? { vocabulary: await vocabularyFor(to, model, warn) } : {}),
      onWeight: (report) => {
        reports.push(report);
        // Weights that are copied as they are would be hundreds of lines of nothing.
        if (report.largest > 0) out.write(`${weightLine(report)}\n`);
      },
    });
    // After all weights, since the shards of one are summed.
    for (const line of lossLines(reports)) errors.write(`${line}\n`);
    out.write(`${summary(source, output, reports)}  ${duration(now() - began)}\n`);
    if (values.perplexity !== undefined) {
      if (!existsSync(values.perplexity))
        fail('cria convert', `${values.perplexity} does not exist.`, 'name a text file for --perplexity');
      if (!model) fail('cria convert', '--perplexity needs a vocabulary.', 'give --tokenizer');
      const text = readFileSync(values.perplexity, 'utf8');
      // The same device for both: the difference is that of the weights alone.
      using device = await openRunDevice({ device: 'auto', threads: 0 }, (line) => errors.write(`${line}\n`));
      const { tokenizer } = model;
      const measure = async (checkpoint: Checkpoint) => {
        using loaded = await loadForInference(checkpoint, device, { mmap: !values['no-mmap'] });
        return (await perplexity(loaded.model, tokenizer, text)).perplexity;
      };
      const [before, after] = [await measure(source), await measure(await openCheckpoint(output))];
      const change = `${after >= before ? '+' : ''}${((after / before - 1) * 100).toFixed(3)} %`;
      out.write(`perplexity ${before.toFixed(4)} → ${after.toFixed(4)} (${change})\n`);
    }
  },
});

/** A float type by its name, which files and other programs write in capitals. */
function floatDType(name: string): ComputeDType {
  return (
    floatDTypes.find((known) => known === name.toLowerCase()) ??
    fail('cria convert', `--dtype is "${name}".`, `give one of ${floatDTypes.join(', ')}`)
  );
}

/** The model with its vocabulary; without one where it has none or none is wanted. */
async function openSource(
  input: string,
  values: { readonly tokenizer?: string; readonly 'no-tokenizer'?: boolean },
  say: (line: string) => void,
): Promise<{ source: Checkpoint; model: OpenedModel | undefined }> {
  const source = await openCheckpoint(input);
  if (values['no-tokenizer']) return { source, model: undefined };
  const place = values.tokenizer ?? findTokenizer(input, source);
  if (place === undefined) {
    say(`no vocabulary lies beside ${input}, so none is written; --tokenizer names one`);
    return { source, model: undefined };
  }
  const model = await openModel(input, { tokenizer: place });
  const { vocabSize } = source.config;
  if (model.tokenizer.vocabSize > vocabSize)
    fail(
      'cria convert',
      `${place} has ${model.tokenizer.vocabSize} tokens, the model ${vocabSize}.`,
      'it belongs to another model; --no-tokenizer leaves it out',
    );
  return { source: model.checkpoint, model };
}

/** One weight: its types, and how far the stored numbers are from those that were read. */
function weightLine({ name, from, to, rmse, largest }: WeightReport): string {
  // As wide as the longest name of a type that files hold often.
  const types = `${from.padStart(4)} → ${to.padEnd(4)}`;
  const errors = `rmse ${rmse.toExponential(3)}  largest ${largest.toExponential(3)}`;
  return `  ${name.padEnd(40)} ${types}  ${errors}`;
}

/**
 * A line for each weight with values that no program can compute with; a weight in several shards
 * is reported in parts.
 */
function lossLines(reports: readonly WeightReport[]): string[] {
  const losses = new Map<string, NotFiniteReport>();
  for (const { name, from, to, elements, notFinite } of reports) {
    const sum = losses.get(name) ?? { elements: 0, before: 0, after: 0 };
    losses.set(name, {
      name,
      from,
      to,
      elements: sum.elements + elements,
      before: sum.before + notFinite.before,
      after: sum.after + notFinite.after,
    });
  }
  return [...losses.values()]
    .filter(({ after }) => after > 0)
    .map((loss) => `warning: ${describeNotFinite(loss)}`);
}

/** The last line: what was written, from what. */
function summary({ config, format }: Checkpoint, output: string, reports: readonly WeightReport[]): string {
  const elements = reports.reduce((sum, report) => sum + report.elements, 0);
  const types = [...new Set(reports.map(({ to }) => to))].join(', ');
  return `${output}: ${config.nLayers} layers, ${count(elements)} weights from ${format}, ${types}`;
}
