import { fail } from '@cria/tensor';
import { saveTokenizer } from '@cria/tokenizer/node';
import { command } from '../command.ts';
import { stopSignal } from '../run/stop.ts';
import { trainTokenizer } from '../run/tokenizer-stage.ts';
import { numberFlag } from '../arguments.ts';
import { configOfFlags, runFlags } from './flags.ts';

const { config, set, data, seed } = runFlags;

/** A SentencePiece BPE vocabulary from texts. */
export const tokenizerTrain = command({
  summary: 'train a tokenizer on texts',
  usage: 'cria tokenizer train --data ./texts --vocab-size 32000 --out tokenizer.model',
  flags: {
    data,
    'vocab-size': { type: 'string', value: 'N', help: 'pieces; 4096' },
    out: { type: 'string', value: 'FILE', help: 'where the model goes' },
    config,
    set,
    seed,
  },
  async run({ values }, context) {
    const { 'vocab-size': size, out, set: settings = [] } = values;
    if (out === undefined)
      fail('cria tokenizer train', '--out is missing.', 'name a file such as tokenizer.model');
    const sized =
      size === undefined
        ? []
        : [
            `tokenizer.vocab_size=${numberFlag('tokenizer train', 'vocab-size', size, { min: 1, integer: true })}`,
          ];
    const config = configOfFlags('tokenizer train', { ...values, set: [...sized, ...settings] });
    using stop = stopSignal((name) => context.out.write(`\n${name}: stopping; nothing was written\n`));
    const tokenizer = await trainTokenizer(config, context, stop.signal);
    if (tokenizer) await saveTokenizer(out, tokenizer);
  },
});
