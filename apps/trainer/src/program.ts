import { helpLines, readOptions } from '@cria/cli';
import { errorText, fail, nearestName } from '@cria/tensor';
import type { Command, Context } from './command.ts';
import { convert } from './commands/convert.ts';
import { dataPrepare } from './commands/data-prepare.ts';
import { doctor } from './commands/doctor.ts';
import { inspect } from './commands/inspect.ts';
import { sample } from './commands/sample.ts';
import { start } from './commands/start.ts';
import { tokenizerConvert } from './commands/tokenizer/convert.ts';
import { tokenizerDecode } from './commands/tokenizer/decode.ts';
import { tokenizerEncode } from './commands/tokenizer/encode.ts';
import { tokenizerInspect } from './commands/tokenizer/inspect.ts';
import { tokenizerTrain } from './commands/tokenizer/train.ts';
import { trainCommand } from './commands/train.ts';
import { ReaderGone } from './show/printer.ts';

/** Every verb of `cria`, by the words that call it. */
export const commands: Readonly<Record<string, Command>> = {
  start,
  train: trainCommand,
  sample,
  'data prepare': dataPrepare,
  'tokenizer train': tokenizerTrain,
  'tokenizer encode': tokenizerEncode,
  'tokenizer decode': tokenizerDecode,
  'tokenizer inspect': tokenizerInspect,
  'tokenizer convert': tokenizerConvert,
  convert,
  inspect,
  doctor,
};

/**
 * Runs one command line; resolves to the exit code. Errors are one line, never a stack, unless they
 * are faults of the program. That nobody reads any more (`| head`) is none.
 */
export async function main(args: readonly string[], context: Context): Promise<number> {
  try {
    await dispatch(args, context);
    return 0;
  } catch (error) {
    if (error instanceof ReaderGone) return 0;
    context.errors.write(`${errorText(error)}\n`);
    return 1;
  }
}

/** Finds the verb, which may be two words, and runs it or shows its help. */
async function dispatch(args: readonly string[], context: Context): Promise<void> {
  const [first = 'help', second = ''] = args;
  const name = `${first} ${second}` in commands ? `${first} ${second}` : first;
  if (name === 'help' || name === '--help' || name === '-h') {
    context.out.write(overview());
    return;
  }
  const chosen = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!chosen) unknownVerb(args);
  const given = readOptions(`cria ${name}`, args.slice(name.split(' ').length), chosen.flags);
  if (given === 'help')
    context.out.write(`${chosen.summary}\n\n  ${chosen.usage}\n\n${helpLines(chosen.flags)}`);
  else await chosen.run(given, context);
}

/** Looks for the nearest of two words first, then of one. */
function unknownVerb(args: readonly string[]): never {
  const typed = args
    .slice(0, 2)
    .filter((word) => !word.startsWith('-'))
    .join(' ');
  const nearest = nearestName(typed, Object.keys(commands)) ?? nearestName(args[0]!, Object.keys(commands));
  return fail(
    'cria',
    `there is no command "${typed}".`,
    nearest ? `did you mean "cria ${nearest}"?` : `known are ${Object.keys(commands).join(', ')}`,
  );
}

/** All verbs with one line each. */
function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  cria ${name.padEnd(width)}  ${summary}`,
  );
  return `cria trains LLaMA models.\n\n${lines.join('\n')}\n\ncria COMMAND --help shows the flags of a command.\n`;
}
