/** A thread that counts the words of the texts it is sent (training/counting-threads.ts). */
import { parentPort, workerData } from 'node:worker_threads';
import type { WordCounts } from './training/word-counter.ts';
import { createWordReader, type WordReaderOptions } from './training/create-word-reader.ts';

/**
 * Texts in UTF-8 with a free byte before each and behind the last, and their ends; or the order to
 * send the counts.
 */
export type CountRequest =
  { readonly bytes: Uint8Array<ArrayBuffer>; readonly ends: Int32Array<ArrayBuffer> } | 'finish';
export type CountReply = { readonly skippedLines: number } | { readonly words: WordCounts };

const reader = createWordReader(workerData as WordReaderOptions); // as training/counting-threads.ts passes it

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
  let at = 1;
  for (const end of request.ends) {
    reader.addBytes(request.bytes, at, end);
    at = end + 1;
  }
  parentPort?.postMessage({ skippedLines: reader.skippedLines - before } satisfies CountReply);
});
