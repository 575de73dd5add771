/**
 * Trains on a file, line blocks at a time, and prints this process's peak memory in MB. argv: file,
 * vocabulary size, threads.
 */
import { createReadStream } from 'node:fs';
import { trainTokenizer } from '../src/node.ts';

const [file = '', vocabSize, threads] = process.argv.slice(2);

async function* blocks(): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const text = rest + String(chunk);
    const end = text.lastIndexOf('\n') + 1;
    rest = text.slice(end);
    yield text.slice(0, end);
  }
  yield rest;
}

await trainTokenizer(blocks(), { vocabSize: Number(vocabSize), threads: Number(threads) });
console.log(process.resourceUsage().maxRSS / 1024);
