import type { Output } from '../show/progress.ts';

/**
 * Ctrl-C and SIGTERM ask the run to save and stop, and so does a reader that leaves; a second
 * Ctrl-C ends the process at once. `message` says what happens then.
 */
export function stopSignal(
  out: Output,
  message: string,
): {
  signal: AbortSignal;
  [Symbol.dispose](): void;
} {
  const controller = new AbortController();
  const handler = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    out.write(`\n${name}: ${message}\n`);
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  const closed = out.onClose?.(() => controller.abort());
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      closed?.[Symbol.dispose]();
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}
