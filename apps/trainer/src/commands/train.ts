import { command } from '../command.ts';
import { printConfig } from '../config/load.ts';
import { runPipeline } from '../run/pipeline.ts';
import { configOfFlags, runFlags } from './flags.ts';

/** A run from a configuration: tokenizer, data, training; resumes what was stopped. */
export const trainCommand = command({
  summary: 'train a model on your texts, or go on where a run stopped',
  usage: 'cria train --data ./texts [--config run.yaml] [--set training.steps=1000]',
  flags: runFlags,
  async run({ values }, context) {
    const config = configOfFlags('train', values);
    if (values['print-config']) context.out.write(printConfig(config));
    else await runPipeline(config, context, { skipDamaged: values['skip-damaged'] ?? false });
  },
});
