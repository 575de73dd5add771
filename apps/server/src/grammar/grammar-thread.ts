import { parentPort } from 'node:worker_threads';
import {
  compileChoice,
  compileGrammar,
  compileRegex,
  compileSchema,
  type Grammar,
  GrammarError,
} from '@cria/grammar';
import type { GrammarSpec } from './spec.ts';

export interface ToGrammarThread {
  readonly spec: GrammarSpec;
}

export type FromGrammarThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'grammar'; readonly grammar: Grammar }
  /** The request asks for what cannot be honoured. */
  | { readonly kind: 'refused'; readonly message: string }
  /** A bug; the message is for the operator. */
  | { readonly kind: 'failed'; readonly message: string };

/** The side of the thread that compiles: one grammar at a time. */
export function serveGrammars(): void {
  const port = parentPort;
  if (!port) throw new Error('[grammar-thread] this runs in a worker thread only.');
  const say = (message: FromGrammarThread) => port.postMessage(message);
  port.on('message', ({ spec }: ToGrammarThread) => {
    try {
      say({ kind: 'grammar', grammar: compile(spec) });
    } catch (error) {
      if (error instanceof GrammarError) say({ kind: 'refused', message: error.message });
      else say({ kind: 'failed', message: (error instanceof Error && error.stack) || String(error) });
    }
  });
  say({ kind: 'ready' });
}

function compile(spec: GrammarSpec): Grammar {
  switch (spec.kind) {
    case 'schema':
      return compileSchema(spec.schema);
    case 'regex':
      return compileRegex(spec.source);
    case 'gbnf':
      return compileGrammar(spec.source);
    case 'choice':
      return compileChoice(spec.texts);
  }
}
