import { type Checkpoint, openCheckpoint, openModel } from '@cria/checkpoint';
import { GgufFile, SafetensorsFile } from '@cria/checkpoint/formats';
import type { LlamaConfig } from '@cria/layers';
import { CriaError } from '@cria/tensor';

/** One stored tensor, as its file names and types it. */
export interface InspectedTensor {
  readonly name: string;
  /** The canonical name, where it is another. */
  readonly canonical: string | undefined;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly file: string;
}

/** What a file or folder holds, for the terminal or a page. */
export interface Inspection {
  readonly path: string;
  readonly format: string;
  readonly config: LlamaConfig | undefined;
  readonly tensors: readonly InspectedTensor[];
  readonly parameters: number;
  readonly bytes: number;
  readonly metadata: readonly (readonly [key: string, value: string])[];
  /** What making text needs besides; undefined where no vocabulary was found. */
  readonly text?: {
    readonly vocabulary: string;
    /** Ids that end a text. */
    readonly stopIds: readonly number[];
    readonly hasChatTemplate: boolean;
  };
  /** Why it is no model that can be loaded, or none that can make text, where it is none. */
  readonly remark: string | undefined;
}

/**
 * A checkpoint of any format; also a GGUF or safetensors file that holds no LLaMA. Throws where it
 * is neither.
 */
export async function inspectPath(path: string): Promise<Inspection> {
  try {
    return await ofModel(path);
  } catch (error) {
    if (!(error instanceof CriaError)) throw error;
    const inspection = (await ofGguf(path)) ?? (await ofSafetensors(path));
    if (!inspection) throw error;
    return { ...inspection, remark: error.message };
  }
}

/**
 * With what making text needs, where its vocabulary can be read; why it cannot is told, but the
 * weights are shown all the same.
 */
async function ofModel(path: string): Promise<Inspection> {
  const model = await openModel(path).catch((error: unknown) => {
    if (error instanceof CriaError && error.op === 'openModel') return error;
    throw error;
  });
  if (model instanceof CriaError)
    return { ...ofCheckpoint(await openCheckpoint(path)), remark: model.message };
  const { checkpoint, tokenizer, tokenizerPath, stopIds, chatTemplate } = model;
  const text = {
    vocabulary: `${tokenizer.vocabSize} tokens in ${tokenizerPath}`,
    stopIds,
    hasChatTemplate: chatTemplate !== undefined,
  };
  return { ...ofCheckpoint(checkpoint), text };
}

/** A model that can be loaded. */
function ofCheckpoint(checkpoint: Checkpoint): Inspection {
  const tensors = [...checkpoint.tensors.values()].map(({ name, storedName, dtype, shape, bytes, file }) => ({
    name: storedName,
    canonical: name === storedName ? undefined : name,
    dtype,
    shape,
    bytes,
    file,
  }));
  return {
    ...totals(checkpoint.path, checkpoint.format, tensors, checkpoint.metadata),
    config: checkpoint.config,
  };
}

/** A GGUF file of another architecture, or of a vocabulary alone. */
async function ofGguf(path: string): Promise<Inspection | undefined> {
  const file = await openOrNothing(() => GgufFile.open(path));
  if (!file) return undefined;
  const tensors = [...file.tensors.values()].map((tensor) => ({
    ...tensor,
    canonical: undefined,
    file: path,
  }));
  const metadata = [...file.metadata].map(([key, { value }]) => [key, value] as const);
  return totals(path, `gguf (version ${file.header.version})`, tensors, new Map(metadata));
}

/** A safetensors file without a configuration beside it: an adapter, one shard of many. */
async function ofSafetensors(path: string): Promise<Inspection | undefined> {
  const file = await openOrNothing(() => SafetensorsFile.open(path));
  if (!file) return undefined;
  const tensors = [...file.tensors.values()].map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    bytes: end - begin,
    canonical: undefined,
    file: path,
  }));
  return totals(path, 'safetensors', tensors, new Map(Object.entries(file.metadata)));
}

/** The file, or nothing where it is of another format (which the first error told already). */
async function openOrNothing<T>(open: () => Promise<T>): Promise<T | undefined> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof CriaError) return undefined;
    throw error;
  }
}

/** Sums over the tensors. No configuration yet: a caller that has one puts it in. */
function totals(
  path: string,
  format: string,
  tensors: readonly InspectedTensor[],
  metadata: ReadonlyMap<string, unknown>,
): Inspection {
  const elements = ({ shape }: InspectedTensor) => shape.reduce((product, extent) => product * extent, 1);
  return {
    path,
    format,
    config: undefined,
    tensors: tensors.map((tensor) => ({ ...tensor, name: cut(tensor.name) })),
    parameters: tensors.reduce((sum, tensor) => sum + elements(tensor), 0),
    bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    metadata: [...metadata].map(([key, value]) => [key, shortValue(value)] as const),
    remark: undefined,
  };
}

/** Of a name or a value: metadata may hold a whole vocabulary, a hostile file a name of megabytes. */
const MOST_CHARACTERS = 100;

/** Any value of metadata in one line: lists by their length and first elements. */
function shortValue(value: unknown): string {
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'bigint') return String(value);
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) return cut(JSON.stringify(value) ?? '');
  const list = [...(value as unknown as Iterable<unknown>)]; // a list or a typed array of GGUF
  const first = list
    .slice(0, 4)
    .map((each) => (typeof each === 'bigint' ? String(each) : JSON.stringify(each)));
  return `[${list.length}] ${cut(first.join(', '))}${list.length > 4 ? ', …' : ''}`;
}

/** One line, without control characters: metadata of unknown files goes to a terminal. */
function cut(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what must go
  const plain = text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return plain.length > MOST_CHARACTERS ? `${plain.slice(0, MOST_CHARACTERS)}…` : plain;
}

/** Memory to load the weights in a type, tied matrices once, in bytes. */
export function loadBytes({ parameters }: Inspection, bytesEach: number): number {
  return parameters * bytesEach;
}
