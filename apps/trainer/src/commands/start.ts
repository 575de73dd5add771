import { command } from '../command.ts';
import { printConfig } from '../config/load.ts';
import { checkoutSources } from '../config/sources.ts';
import { runPipeline } from '../run/pipeline.ts';
import { configOfFlags, runFlags } from './flags.ts';

/**
 * The main job: `train`, on the checkout's own code where no data is named; whoever started it
 * learns which run can be served.
 */
export const start = command({
  summary: 'train a small model on the code around you, ready to be served',
  usage: 'cria start [--data ./texts] [--minutes 10] [--preset 15m]',
  flags: runFlags,
  async run({ values }, context) {
    const config = configOfFlags('start', values, checkoutSources);
    if (values['print-config']) {
      context.out.write(printConfig(config));
      return;
    }
    const { folder, finished } = await runPipeline(config, context, {
      skipDamaged: values['skip-damaged'] ?? false,
    });
    if (finished) context.tell({ run: folder });
  },
});
