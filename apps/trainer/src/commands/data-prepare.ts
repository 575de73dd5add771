import { loadTokenizer } from '@cria/tokenizer/node';
import { command } from '../command.ts';
import { prepareData } from '../run/data-stage.ts';
import { stopSignal } from '../run/stop.ts';
import { configFlags, configOfFlags, settingFlags } from './flags.ts';

/** Texts into token shards, for runs and programs that want them ready. */
export const dataPrepare = command({
  summary: 'turn texts into token shards',
  usage: 'cria data prepare --data ./texts --tokenizer tokenizer.model --out ./shards',
  flags: {
    ...configFlags,
    ...settingFlags(['text-field', 'seed']),
    tokenizer: {
      takes: 'text',
      value: 'FILE',
      help: 'tokenizer of the model to train',
      required: 'train one with cria tokenizer train',
    },
    out: {
      takes: 'text',
      value: 'FOLDER',
      help: 'folder of the dataset; replaced as a whole',
      required: 'name a folder for the dataset',
    },
  },
  async run({ values }, context) {
    const settings = configOfFlags('data prepare', values);
    using stop = stopSignal(context.out, 'stopping; nothing is left behind');
    const fingerprint = await prepareData(
      settings,
      values.out,
      await loadTokenizer(values.tokenizer),
      context,
      stop.signal,
    );
    if (fingerprint !== undefined) context.out.write(`${values.out}  ${fingerprint}\n`);
  },
});
