#!/usr/bin/env node
import { main } from './program.ts';

// Whoever reads what this prints may leave (`cria-server … | head -1`), a disk of logs may be full:
// that ends nobody's text.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const code = await main(process.argv.slice(2), {
  out: process.stdout,
  errors: process.stderr,
  onStop(stop) {
    process.on('SIGTERM', stop).on('SIGINT', stop);
    return () => void process.off('SIGTERM', stop).off('SIGINT', stop);
  },
});
// A thread that is still loading, or one that broke, does not keep the process.
process.exit(code);
