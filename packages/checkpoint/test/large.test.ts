import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { llamaConfig } from '@cria/layers';
import { expect, it } from 'vitest';
import { openCheckpoint } from '@cria/checkpoint';
import { planConversion, toHuggingFaceConfig, toHuggingFaceName } from '@cria/checkpoint/formats';
import { shapesOf, temporaryFolder } from './helpers.ts';

/*
 * A checkpoint with the true shapes of LLaMA 65B, 131 GB of bf16 in a file with holes, goes to
 * every format; what is written is hashed and thrown away. Takes some minutes a target:
 * CRIA_LARGE=1 runs it; without, a model of the same layers that is 64 times narrower.
 */

const large = process.env['CRIA_LARGE'] === '1';
const targets = (process.env['CRIA_LARGE_TO'] ?? 'gguf,meta,hf').split(',');
const LIMIT = 2 * 2 ** 30;

const config = large
  ? llamaConfig({ dim: 8192, nLayers: 80, nHeads: 64, ffnDim: 22016, vocabSize: 32000 })
  : llamaConfig({ dim: 256, nLayers: 80, nHeads: 8, ffnDim: 688, vocabSize: 1000 });

it(`a 65B checkpoint is converted in bounded memory${large ? '' : ' (small form)'}`, async () => {
  const folder = temporaryFolder();
  writeSparse(folder);
  const source = await openCheckpoint(folder);
  for (const to of targets as ('gguf' | 'meta' | 'hf')[]) {
    let highest = 0;
    let bytes = 0;
    const began = performance.now();
    const options = to === 'meta' ? { to, shards: 8 } : to === 'hf' ? { to, shards: 14 } : { to };
    for (const file of await planConversion(source, 'model', options)) {
      const hash = createHash('md5');
      for await (const chunk of file.chunks()) {
        hash.update(chunk);
        bytes += chunk.length;
        highest = Math.max(highest, process.memoryUsage.rss());
      }
      expect(hash.digest('hex')).toHaveLength(32);
    }
    console.log(
      `${to}: ${(bytes / 1e9).toFixed(1)} GB, highest resident memory ${(highest / 2 ** 20).toFixed(0)} ` +
        `MiB, ${((performance.now() - began) / 1000).toFixed(0)} s`,
    );
    expect(highest).toBeLessThan(LIMIT);
    const elements = shapesOf(config).reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(bytes).toBeGreaterThan(2 * elements);
  }
}, 3_600_000);

/** A Hugging Face folder whose weights are holes in the file. */
function writeSparse(folder: string): void {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, shape] of shapesOf(config)) {
    const begin = end;
    end += 2 * shape.reduce((a, b) => a * b, 1);
    header[toHuggingFaceName(name)!] = { dtype: 'BF16', shape, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, json]));
  ftruncateSync(file, 8 + json.length + end);
  closeSync(file);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(toHuggingFaceConfig(config)));
}
