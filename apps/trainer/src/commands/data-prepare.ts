import { fail } from '@cria/tensor';
import { loadTokenizer } from '@cria/tokenizer/node';
import { command } from '../command.ts';
import { prepareData } from '../run/data-stage.ts';
import { stopSignal } from '../run/stop.ts';
import { configOfFlags, runFlags } from './flags.ts';

const { config, set, data, 'text-field': textField, seed } = runFlags;

/** Texts into token shards, for runs and programs that want them ready. */
export const dataPrepare = command({
  summary: 'turn texts into token shards',
  usage: 'cria data prepare --data ./texts --tokenizer tokenizer.model --out ./shards',
  flags: {
    data,
    'text-field': textField,
    tokenizer: { type: 'string', value: 'FILE', help: 'tokenizer of the model to train' },
    out: { type: 'string', value: 'FOLDER', help: 'folder of the dataset; replaced as a whole' },
    config,
    set,
    seed,
  },
  async run({ values }, context) {
    const settings = configOfFlags('data prepare', values);
    if (values.tokenizer === undefined)
      fail('cria data prepare', '--tokenizer is missing.', 'train one with cria tokenizer train');
    if (values.out === undefined)
      fail('cria data prepare', '--out is missing.', 'name a folder for the dataset');
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
