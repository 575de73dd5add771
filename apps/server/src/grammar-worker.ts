import { serveGrammars } from './grammar/grammar-thread.ts';

// The file that the thread for grammars starts with.
serveGrammars();
