#!/usr/bin/env node
import { main } from './program.ts';

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
