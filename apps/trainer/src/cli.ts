#!/usr/bin/env node
import { main } from './program.ts';
import { Printer, ReaderGone } from './show/printer.ts';

const [out, errors] = [new Printer(process.stdout), new Printer(process.stderr)];
// What goes to stderr is said beside the work: the work does not end with whoever listened.
errors.onClose(() => {});
process.exitCode = await main(process.argv.slice(2), {
  out,
  errors,
  now: () => performance.now() / 1000,
  time: () => Date.now() / 1000,
  tell: (message) => process.send?.(message),
});
process.disconnect?.();
// A stream tells of its last write a moment later.
out.onClose(() => {
  if (out.failure instanceof ReaderGone || process.exitCode === 1) return;
  errors.write(`${out.failure?.message}\n`);
  process.exitCode = 1;
});
