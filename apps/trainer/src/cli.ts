#!/usr/bin/env node
import { main } from './program.ts';

process.exitCode = await main(process.argv.slice(2), {
  out: process.stdout,
  errors: process.stderr,
  now: () => performance.now() / 1000,
  time: () => Date.now() / 1000,
  tell: (message) => process.send?.(message),
});
process.disconnect?.();
