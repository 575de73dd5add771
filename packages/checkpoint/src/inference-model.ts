import { Llama } from '@cria/layers';
import { checkOptions, type Device } from '@cria/tensor';
import type { Checkpoint } from './checkpoint.ts';
import { mapWeights } from './map.ts';
import type { NotFiniteReport } from './not-finite.ts';

export interface InferenceModelOptions {
  /** Map files into memory where the device can. Default true; false reads them. */
  readonly mmap?: boolean;
  /** Told about weights that have values which are NaN or infinite, where their type is changed. */
  readonly onNotFinite?: (report: NotFiniteReport) => void;
}

/** A model that is ready to generate. */
export interface InferenceModel extends Disposable {
  readonly model: Llama;
}

/**
 * The model of a checkpoint for inference, each weight in the type that it has there where the
 * device multiplies with it, else in f32. Matrices are packed for the device straight out of the
 * mapped file, which takes one reading of it and no second copy in memory; the embedding stays
 * mapped, so that only the rows of tokens that occur are ever read. A file that is cut while it is
 * mapped ends the process: see `mapWeights`.
 */
export async function loadForInference(
  checkpoint: Checkpoint,
  device: Device,
  options: InferenceModelOptions = {},
): Promise<InferenceModel> {
  checkOptions('loadForInference', options, ['mmap', 'onNotFinite']);
  const model = new Llama(checkpoint.config, { device });
  const weights = await mapWeights(checkpoint, model.parameters, {
    keep: [...device.abilities.weights],
    ...options,
  });
  const dispose = () => {
    model[Symbol.dispose]();
    weights[Symbol.dispose]();
  };
  try {
    model.pack();
    await device.flush();
    await weights.trim();
  } catch (error) {
    dispose();
    throw error;
  }
  return { model, [Symbol.dispose]: dispose };
}
