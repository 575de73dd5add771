import { describeNotFinite, loadForInference, openModel } from '@cria/checkpoint';
import { openDevice } from '@cria/devices';
import type { Llama } from '@cria/layers';
import type { Tokenizer } from '@cria/tokenizer';
import type { EngineSettings } from './protocol.ts';

export interface LoadedModel {
  readonly model: Llama;
  readonly tokenizer: Tokenizer;
  /** Format of the files. */
  readonly format: string;
  /** Name for the API. */
  readonly id: string;
  readonly fallbackReason: string | undefined;
  /** What is odd about the weights, a line each. */
  readonly warnings: readonly string[];
  /** Ids that end a text. */
  readonly eosIds: readonly number[];
}

/** A model on the device that was asked for, ready to generate; it goes with the device. */
export async function loadModel(settings: EngineSettings): Promise<LoadedModel> {
  const { checkpoint, tokenizer, stopIds, name } = await openAsked(settings);
  const { threads } = settings;
  const opened = await openDevice(settings.device, threads === undefined ? {} : { threads });
  const warnings: string[] = [];
  const { model } = await loadForInference(checkpoint, opened.device, {
    mmap: settings.mmap ?? true,
    onNotFinite: (report) => void warnings.push(describeNotFinite(report)),
  });
  return {
    model,
    tokenizer,
    format: checkpoint.format,
    id: name,
    fallbackReason: opened.warning === undefined ? undefined : opened.reason,
    eosIds: stopIds,
    warnings,
  };
}

/** The tokenizer of a model alone, the same as `loadModel` would take. */
export async function loadModelTokenizer(settings: EngineSettings): Promise<Tokenizer> {
  return (await openAsked(settings)).tokenizer;
}

function openAsked({ model, tokenizer }: EngineSettings) {
  return openModel(model, tokenizer === undefined ? {} : { tokenizer });
}
