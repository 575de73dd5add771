/** A thread that counts the words of the texts it is sent (counting-threads.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import { LineReader, type LineReaderOptions } from './line-reader.ts';
import type { WordCounts } from './word-counter.ts';

/** UTF-8 with a free byte at either end; or the order to send the counts. */
export type CountRequest = { readonly bytes: Uint8Array<ArrayBuffer> } | 'finish';
export type CountReply =
  { readonly counted: number; readonly skippedLines: number } | { readonly words: WordCounts };

const reader = new LineReader(workerData as LineReaderOptions); // as counting-threads.ts passes it

parentPort?.on('message', (request: CountRequest) => {
  if (request === 'finish') {
    const { pool, offsets, counts } = reader.words.finish();
    const words = { pool: pool.slice(), offsets: offsets.slice(), counts: counts.slice() };
    parentPort?.postMessage({ words } satisfies CountReply, [
      words.pool.buffer,
      words.offsets.buffer,
      words.counts.buffer,
    ]);
    return;
  }
  const before = reader.skippedLines;
  reader.addBytes(request.bytes, 1, request.bytes.length - 1);
  parentPort?.postMessage({
    counted: request.bytes.length - 2,
    skippedLines: reader.skippedLines - before,
  } satisfies CountReply);
});
