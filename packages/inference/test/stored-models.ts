import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Checkpoint, convertCheckpoint, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { nativeQuantizer } from '@cria/cpu';
import { Llama, llamaConfig } from '@cria/layers';
import { type Device, reference } from '@cria/tensor';

/** How a weight is stored: `--dtype` and `--quantize` of `cria convert`. */
export const plainTypes = ['f32', 'bf16', 'f16'] as const;
export const smallBlocks = ['q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1'] as const;
export const largeBlocks = ['q4_k_s', 'q4_k_m', 'q5_k_m', 'q6_k'] as const;
export type StoredType = (typeof plainTypes | typeof smallBlocks | typeof largeBlocks)[number];

/** The model in a GGUF file of its own, its matrices stored so. */
export async function storeAs(source: Checkpoint, type: StoredType): Promise<Checkpoint> {
  const file = join(mkdtempSync(join(tmpdir(), 'cria-weights-')), `${type}.gguf`);
  const dtype = plainTypes.find((each) => each === type);
  using quantizer = nativeQuantizer();
  const how = dtype ? { dtype } : { quantize: type, ...(quantizer && { quantizer }) };
  await convertCheckpoint(source, file, { to: 'gguf', ...how });
  return openCheckpoint(file);
}

/** A random LLaMA over bytes whose rows are multiples of 256, as K blocks want them, and whose logits are lively. */
export async function wideModel(): Promise<Checkpoint> {
  const config = llamaConfig({
    dim: 256,
    nLayers: 2,
    nHeads: 4,
    nKvHeads: 2,
    ffnDim: 512,
    vocabSize: 258,
    contextLength: 128,
  });
  using device: Device = reference();
  using model = new Llama(config, { device });
  model.parameters.allocate();
  model.parameters.initialize(3);
  const { values } = model.parameters;
  for (let i = 0; i < 2; i++) device.kernels.add(values, values, values);
  const folder = mkdtempSync(join(tmpdir(), 'cria-weights-'));
  await saveHuggingFace(folder, config, model.parameters);
  return openCheckpoint(folder);
}
