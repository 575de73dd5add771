import type { Options, Values } from '@cria/cli';
import type { Output } from './show/progress.ts';

/** What a command may use of the world, so that tests can give it another one. */
export interface Context {
  readonly out: Output;
  readonly errors: Output;
  /** Seconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Unix time in seconds. */
  readonly time: () => number;
  /** Tells the program that started this one something, where there is one. */
  readonly tell: (message: Readonly<Record<string, unknown>>) => void;
}

/** One verb of the command line. */
export interface Command<F extends Options = Options> {
  readonly summary: string;
  readonly usage: string;
  readonly flags: F;
  run(
    input: { readonly values: Values<F>; readonly words: readonly string[] },
    context: Context,
  ): Promise<void>;
}

/** Keeps the flags' types inside a command, and lets a table of commands forget them. */
export function command<const F extends Options>(definition: Command<F>): Command {
  return definition as unknown as Command;
}
