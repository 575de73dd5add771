import { readTexts } from '@cria/data';
import { fail } from '@cria/tensor';
import { saveTokenizer, trainByteLevel, trainTokenizer, type TimedProgress } from '@cria/tokenizer/node';
import { numberFlag } from '../../arguments.ts';
import { command } from '../../command.ts';
import { vocabSizeOf } from '../../config/model.ts';
import { sourcesOf } from '../../config/sources.ts';
import { stopSignal } from '../../run/stop.ts';
import { bytes, duration } from '../../show/format.ts';
import { Progress } from '../../show/progress.ts';
import { configOfFlags, runFlags } from '../flags.ts';

const { config, set, data, 'text-field': textField, seed, threads } = runFlags;
const VERB = 'tokenizer train';

/**
 * A vocabulary from texts: SentencePiece BPE as LLaMA 1 and 2 have it, or byte-level BPE as Llama 3
 * has it.
 */
export const tokenizerTrain = command({
  summary: 'train a tokenizer on texts',
  usage: 'cria tokenizer train --data ./texts --vocab-size 32000 --out tokenizer.model',
  flags: {
    data,
    'text-field': textField,
    'vocab-size': { type: 'string', value: 'N', help: 'pieces; 4096' },
    'byte-level': {
      type: 'boolean',
      help: "Llama 3's form instead of SentencePiece; 256 ids are special tokens",
    },
    'max-bytes': { type: 'string', value: 'N', help: 'text to read, or "all"; 12000000' },
    out: { type: 'string', value: 'FILE', help: 'where the tokenizer goes: .model, .json, .gguf' },
    threads,
    config,
    set,
    seed,
  },
  async run({ values }, { out, now }) {
    const path = values.out;
    if (path === undefined) fail(`cria ${VERB}`, '--out is missing.', 'name a file such as tokenizer.model');
    const settings = configOfFlags(VERB, {
      ...values,
      set: [...sized(values['vocab-size']), ...(values.set ?? [])],
    });
    const most =
      values['max-bytes'] === 'all' ? Infinity : byteLimit(values['max-bytes'], settings.tokenizer.max_bytes);
    using stop = stopSignal(out, 'stopping; nothing was written');
    const progress = new Progress(out, 'tokenizer', now);
    const start = now();
    let read = 0;
    async function* texts(): AsyncGenerator<string> {
      for await (const text of readTexts(sourcesOf(settings), { seed: settings.run.seed, maxBytes: most })) {
        stop.signal.throwIfAborted();
        read += text.length;
        yield text;
      }
    }
    const options = {
      vocabSize: vocabSizeOf(settings),
      threads:
        values.threads === undefined
          ? 1
          : numberFlag(VERB, 'threads', values.threads, { min: 1, max: 256, integer: true }),
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

/** `--vocab-size` is short for a setting, so that a configuration and a flag mean the same thing. */
function sized(size: string | undefined): string[] {
  if (size === undefined) return [];
  return [`tokenizer.vocab_size=${numberFlag(VERB, 'vocab-size', size, { min: 1, integer: true })}`];
}

/** Text to read, by the flag or else by the configuration. */
function byteLimit(given: string | undefined, fallback: number): number {
  return given === undefined ? fallback : numberFlag(VERB, 'max-bytes', given, { min: 1000, integer: true });
}
