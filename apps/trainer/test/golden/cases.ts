/*
 * What must keep its bits from one change to the next: training curves, greedy texts with the
 * losses behind them, quantised files. Each case is a name and a function that gives a hash. A hash
 * belongs to one device, since every instruction set has bits of its own.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type Checkpoint,
  convertCheckpoint,
  loadForInference,
  openCheckpoint,
  saveHuggingFace,
} from '@cria/checkpoint';
import { nativeQuantizer } from '@cria/cpu';
import { perplexity } from '@cria/evaluation';
import { generate } from '@cria/inference';
import { Llama, llamaConfig } from '@cria/layers';
import { type ComputeDType, type Device, permute, type Recompute, reference } from '@cria/tensor';
import { type Batch, Trainer } from '@cria/training';
import { byteTokenizer } from '../../../../scripts/support/byte-tokenizer.ts';

/**
 * SHA-256 of strings and of the bytes of arrays, in order; the first half, which is enough to tell
 * two results apart.
 */
export function hashOf(parts: readonly (string | ArrayBufferView)[]): string {
  const hash = createHash('sha256');
  for (const part of parts)
    hash.update(
      typeof part === 'string' ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
    );
  return hash.digest('hex').slice(0, 32);
}

const contextLength = 64;

/** Documents of a little grammar, packed in twos; pure in the position. */
function batchAt(position: number, size: number): Batch {
  const tokens = new Int32Array(size * contextLength);
  const segments = [0];
  for (let i = 0; i < size; i++) {
    const cut = 20 + ((position + i) % 23);
    for (let t = 0; t < contextLength; t++) {
      const draw = permute(t, contextLength, position + i, 1);
      const before = tokens[i * contextLength + t - 1] ?? 0;
      tokens[i * contextLength + t] = t === 0 || t === cut || draw < 9 ? draw % 53 : (before * 7 + 3) % 53;
    }
    segments.push(i * contextLength + cut, (i + 1) * contextLength);
  }
  const ends = new Set(segments.map((start) => start - 1));
  const targets = Int32Array.from(tokens, (_, t) => (ends.has(t) ? -100 : tokens[t + 1]!));
  return { tokens, targets, segments: Int32Array.from(segments) };
}

export interface CurveCase {
  readonly dtype: ComputeDType;
  readonly tied: boolean;
  readonly recompute: Recompute;
}

/** Losses, gradient norms and every weight of a run of ten updates. */
export async function trainingCurve(device: Device, { dtype, tied, recompute }: CurveCase): Promise<string> {
  const told: string[] = [];
  using trainer = await Trainer.open({
    device,
    model: llamaConfig({
      dim: 48,
      nLayers: 2,
      nHeads: 6,
      nKvHeads: 2,
      ffnDim: 80,
      vocabSize: 53,
      contextLength,
      tiedEmbeddings: tied,
    }),
    data: { contextLength, batch: batchAt },
    totalSteps: 10,
    batchSize: 4,
    // One forward pass an update where embeddings are tied; else two, whose sums are those of one.
    microBatchSize: tied ? 4 : 2,
    learningRate: 5e-3,
    warmupSteps: 2,
    seed: 5,
    dtype,
    recompute,
    onEvent: (event) => {
      if (event.type === 'step') told.push(`${event.loss} ${event.gradientNorm}\n`);
    },
  });
  await trainer.run();
  const parts: (string | ArrayBufferView)[] = told;
  for (const { name, value } of trainer.model.parameters.parameters) parts.push(name, await value.read());
  return hashOf(parts);
}

/** How weights are stored in a file: a type of numbers, or a mix of blocks. */
export const plainForms = ['f32', 'bf16', 'f16'] as const;
export const mixedForms = [
  'q8_0',
  'q4_0',
  'q4_1',
  'q5_0',
  'q5_1',
  'q4_k_s',
  'q4_k_m',
  'q5_k_s',
  'q5_k_m',
  'q6_k',
] as const;
export type StoredForm = (typeof plainForms | typeof mixedForms)[number];

/** A random LLaMA over bytes whose rows are whole blocks of every kind and whose logits are lively. */
export async function randomModel(folder: string): Promise<Checkpoint> {
  using device = reference();
  const config = llamaConfig({
    dim: 256,
    nLayers: 2,
    nHeads: 4,
    nKvHeads: 2,
    ffnDim: 512,
    vocabSize: 258,
    contextLength: 128,
  });
  using model = new Llama(config, { device });
  model.parameters.allocate();
  model.parameters.initialize(3);
  // Four times the usual standard deviation.
  for (const { value } of model.parameters.parameters) {
    device.kernels.add(value, value, value);
    device.kernels.add(value, value, value);
  }
  await saveHuggingFace(folder, config, model.parameters);
  return openCheckpoint(folder);
}

/** The model in a GGUF file at `file`, by the native quantisers or the plain ones, which have the same bits. */
export async function store(
  source: Checkpoint,
  file: string,
  form: StoredForm,
  quantizers: 'native' | 'plain',
): Promise<Checkpoint> {
  const dtype = plainForms.find((each) => each === form);
  using quantizer = quantizers === 'native' ? nativeQuantizer() : undefined;
  const how = dtype ? { dtype } : { quantize: form, ...(quantizer && { quantizer }) };
  await convertCheckpoint(source, file, { to: 'gguf', ...how });
  return openCheckpoint(file);
}

const prompts = ['One day, Tom', 'a', 'The quick brown fox jumps over the lazy dog, and nobody minds. 12345'];

/** Greedy ids of three prompts, and the perplexity of a text, which every bit of every logit goes into. */
export async function greedyTexts(device: Device, checkpoint: Checkpoint): Promise<string> {
  using loaded = await loadForInference(checkpoint, device);
  const parts: string[] = [];
  for (const prompt of prompts) {
    const options = { temperature: 0, maxTokens: 32, ignoreEos: true };
    const { ids } = await generate(loaded.model, byteTokenizer, prompt, options);
    parts.push(`${ids.join()}\n`);
  }
  const { perplexity: value } = await perplexity(loaded.model, byteTokenizer, prompts.join(' '));
  return hashOf([...parts, String(value)]);
}

export const hashOfFile = (path: string): string => hashOf([readFileSync(path)]);
