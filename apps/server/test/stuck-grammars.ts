import { parentPort } from 'node:worker_threads';
import { serveGrammars, type ToGrammarThread } from '../src/grammar/grammar-thread.ts';

// A thread of grammars that never ends with one: the budget of the compiler itself bounds them all.
parentPort?.on('message', ({ spec }: ToGrammarThread) => {
  while (spec.kind === 'regex' && spec.source === 'never');
});
serveGrammars();
