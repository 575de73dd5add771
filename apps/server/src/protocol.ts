import type { DeviceChoice } from '@cria/devices';
import type {
  Embedding,
  EmbedRequest,
  GenerationOptions,
  IdChunk,
  IdRequest,
  RequestErrorCode,
} from '@cria/inference';
import type { Tokenizer } from '@cria/tokenizer';
import type { EngineLimits } from './engine-options.ts';
import type { KeyedGrammar } from './grammar/grammar-compiler.ts';
import type { GrammarSpec } from './grammar/spec.ts';

/*
 * What the HTTP thread and the engine's thread say to each other. Plain data only, and ids only:
 * texts are the HTTP thread's. Every text has a number that the HTTP thread chose; the texts of one
 * request are numbered in a row from `first`, and the engine takes all of them or none. What one
 * step of the engine brings of all texts is one message.
 */

/** Where a thread starts. */
export interface ThreadFile {
  readonly url: URL;
  /** Options of Node for the thread; default those of the thread that starts it. */
  readonly execArgv?: readonly string[];
}

/** A file of this package: built code starts the built thread, sources start the source. */
export function ownThread(name: string): ThreadFile {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return { url: new URL(`./${name}.${extension}`, import.meta.url) };
}

/** Where an engine starts, and what reads texts for it; the latter default to what the model's files say. */
export interface EngineFile extends ThreadFile {
  /** Loads the vocabulary for the HTTP thread. */
  readonly tokenizer?: (settings: EngineSettings) => Promise<Tokenizer>;
  /** Where long prompts are encoded. */
  readonly prompts?: ThreadFile;
  /** Where grammars are compiled. */
  readonly grammars?: ThreadFile;
}

/** What the engine's thread needs to know to start. */
export interface EngineSettings extends EngineLimits {
  /** Run folder, training state, Hugging Face folder, GGUF or llama2.c file. */
  readonly model: string;
  /** Tokenizer file, where it does not lie beside the model. */
  readonly tokenizer?: string;
  readonly device: DeviceChoice;
  /** Default one a core. */
  readonly threads?: number;
  /** Map the files of the weights where that is possible; default true. */
  readonly mmap?: boolean;
}

/** What is worth knowing about the model and where it runs. */
export interface ModelFacts {
  /** Name for the API: the last part of the model's path. */
  readonly id: string;
  readonly format: string;
  readonly parameters: number;
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabSize: number;
  /** Tokens that a prompt and its completion can have together. */
  readonly contextLength: number;
  /** The device in one line. */
  readonly device: string;
  /** Why a slower device was taken than the machine could have; absent where it was not. */
  readonly fallbackReason?: string;
  /** What is odd about the weights, a line each; absent where nothing is. */
  readonly warnings?: readonly string[];
  readonly maxSequences: number;
  /** Bytes of the key/value cache. */
  readonly cacheBytes?: number;
}

/** Texts to make, `n` for each prompt; whoever asked cancels by `return()` of the text. */
export interface TextsRequest {
  readonly prompts: readonly (string | readonly number[])[];
  /** The texts of one prompt differ by their stream, so the first is what n = 1 gives. */
  readonly n: number;
  readonly options: Omit<GenerationOptions, 'signal' | 'stream' | 'constraint'>;
  /** What each text must be. */
  readonly grammar?: GrammarSpec;
}

/** The same in ids. A prompt crosses once, however many texts continue it. */
export interface IdsRequest {
  readonly prompts: readonly ArrayLike<number>[];
  readonly n: number;
  /** What all of them share, of the first stream. */
  readonly options: Omit<IdRequest, 'ids' | 'constraint'>;
  /** What each text must be, compiled. */
  readonly grammar?: KeyedGrammar;
}

/** Prompts whose vectors are wanted. */
export interface VectorsRequest {
  readonly prompts: readonly (string | readonly number[])[];
  readonly options: Omit<EmbedRequest, 'ids'>;
}

/** The same in ids. */
export interface IdVectorsRequest {
  readonly prompts: readonly ArrayLike<number>[];
  readonly options: Omit<EmbedRequest, 'ids'>;
}

export type ToEngine =
  | { readonly type: 'embed'; readonly first: number; readonly request: IdVectorsRequest }
  | { readonly type: 'generate'; readonly first: number; readonly request: IdsRequest }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

export interface PlainError {
  /** `internal`: not the request's fault; the message is for the operator. */
  readonly code: RequestErrorCode | 'internal';
  readonly message: string;
  readonly param?: string;
}

export type FromEngine =
  | { readonly type: 'ready'; readonly facts: ModelFacts }
  /** The model could not be loaded, or the engine broke; the thread ends. */
  | { readonly type: 'failed'; readonly message: string }
  /** The texts are queued: nothing about them is wrong. */
  | { readonly type: 'accepted'; readonly first: number }
  /** None of the texts is begun. */
  | { readonly type: 'refused'; readonly first: number; readonly error: PlainError }
  | {
      readonly type: 'step';
      /** Number of a text, and what came of it. */
      readonly chunks: readonly (readonly [number, IdChunk])[];
      /** Number of a prompt, and its vector, which is its end. */
      readonly vectors: readonly (readonly [number, Embedding])[];
      /** Texts that were begun and end without being complete. */
      readonly broken: readonly (readonly [number, PlainError])[];
    };
