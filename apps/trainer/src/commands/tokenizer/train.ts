import { checkNumber } from '@cria/cli';
import { readTexts } from '@cria/data';
import { saveTokenizer, trainByteLevel, trainTokenizer, type TimedProgress } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { vocabSizeOf } from '../../config/model.ts';
import { sourcesOf } from '../../config/sources.ts';
import { stopSignal } from '../../run/stop.ts';
import { bytes, duration } from '../../show/format.ts';
import { Progress } from '../../show/progress.ts';
import { configFlags, configOfFlags, settingFlags } from '../flags.ts';

const VERB = 'tokenizer train';

/**
 * A vocabulary from texts: SentencePiece BPE as LLaMA 1 and 2 have it, or byte-level BPE as Llama 3
 * has it.
 */
export const tokenizerTrain = command({
  summary: 'train a tokenizer on texts',
  usage: 'cria tokenizer train --data ./texts --vocab-size 32000 --out tokenizer.model',
  flags: {
    ...configFlags,
    ...settingFlags(['text-field', 'vocab-size', 'seed']),
    'byte-level': {
      takes: 'nothing',
      help: "Llama 3's form instead of SentencePiece; 256 ids are special tokens",
    },
    'max-bytes': { takes: 'text', value: 'N', help: 'text to read, or all', otherwise: '12000000' },
    out: {
      takes: 'text',
      value: 'FILE',
      help: 'where the tokenizer goes: .model, .json, .gguf',
      required: 'name a file such as tokenizer.model',
    },
    threads: { takes: 'whole', from: 1, to: 256, help: 'no result depends on it', default: 1 },
  },
  async run({ values }, { out, now }) {
    const path = values.out;
    const { threads, ...others } = values; // those of a run are another setting
    const settings = configOfFlags(VERB, others);
    const most =
      values['max-bytes'] === 'all' ? Infinity : byteLimit(values['max-bytes'], settings.tokenizer.max_bytes);
    using stop = stopSignal(out, 'stopping; nothing was written');
    const progress = new Progress(out, 'tokenizer', now);
    const start = now();
    let read = 0; // characters, near enough to bytes for a bar
    async function* texts(): AsyncGenerator<string> {
      for await (const text of readTexts(sourcesOf(settings), { seed: settings.run.seed, maxBytes: most })) {
        stop.signal.throwIfAborted();
        read += text.length;
        yield text;
      }
    }
    const options = {
      vocabSize: vocabSizeOf(settings),
      threads,
      now,
      onProgress: ({ phase, done, total, secondsLeft }: TimedProgress) => {
        if (phase === 'merging') progress.draw(done / (total ?? done), `${done} pieces`, secondsLeft);
        else progress.draw(Number.isFinite(most) ? Math.min(1, done / most) : 0, `${bytes(done)} read`);
      },
    };
    try {
      const tokenizer = await (values['byte-level']
        ? trainByteLevel(texts(), options)
        : trainTokenizer(texts(), options));
      await saveTokenizer(path, tokenizer);
      progress.end(
        `${path}  ${tokenizer.vocabSize} pieces from ${bytes(read)} of text in ${duration(now() - start)}`,
      );
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      progress.end();
    }
  },
});

/** Text to read, by the flag or else by the configuration. */
function byteLimit(given: string | undefined, fallback: number): number {
  return given === undefined
    ? fallback
    : checkNumber(`cria ${VERB}`, '--max-bytes', given, { takes: 'whole', from: 1000 });
}
