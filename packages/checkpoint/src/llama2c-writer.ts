import type { LlamaConfig } from '@cria/layers';
import { bytesOf } from './convert.ts';
import { HEADER_BYTES, placeTensors } from './llama2c.ts';

const { fround } = Math;

/**
 * A llama2.c file of version 0 (`export.py legacy_export`): header, weights by kind, rotary tables,
 * an untied output matrix.
 */
export async function* llama2cChunks(
  config: LlamaConfig,
  weight: (name: string) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { dim, ffnDim, nLayers, nHeads, nKvHeads, vocabSize, contextLength, tiedEmbeddings } = config;
  const vocabulary = tiedEmbeddings ? vocabSize : -vocabSize;
  yield bytesOf(Int32Array.of(dim, ffnDim, nLayers, nHeads, nKvHeads, vocabulary, contextLength));
  let at = HEADER_BYTES;
  for (const { name, begin } of placeTensors(config)) {
    if (begin > at) yield* rotaryTables(config);
    at = begin;
    for await (const chunk of weight(name)) {
      at += chunk.length;
      yield chunk;
    }
  }
  if (tiedEmbeddings) yield* rotaryTables(config);
}

/**
 * cos, then sin, of position · θ^(−2j/E), [context, E / 2] each; angles in float32 as PyTorch forms
 * them.
 */
function* rotaryTables({ contextLength, headDim, ropeTheta }: LlamaConfig): Generator<Uint8Array> {
  const half = headDim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, j) =>
    fround(1 / fround(ropeTheta ** fround((2 * j) / headDim))),
  );
  for (const turn of [Math.cos, Math.sin]) {
    const table = new Float32Array(contextLength * half);
    for (let i = 0; i < table.length; i++)
      table[i] = turn(fround(Math.floor(i / half) * (frequencies[i % half] ?? 0)));
    yield bytesOf(table);
  }
}
