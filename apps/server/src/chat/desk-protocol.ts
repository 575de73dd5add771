import type { ChatMessage, ChatOptions } from '@cria/tokenizer/chat';

/*
 * What the HTTP thread asks the thread with the tokenizer and the chat template. Plain data only; one job at a time.
 */

/** Text and ids side by side. */
export type TextParts = readonly (string | number)[];

export type DeskJob =
  | { readonly kind: 'about' }
  | {
      readonly kind: 'tokenize';
      readonly parts: TextParts;
      /** Put BOS first, where the model expects it. */
      readonly addSpecial: boolean;
      /** Read the text of special tokens as those. */
      readonly parseSpecial: boolean;
    }
  | { readonly kind: 'detokenize'; readonly ids: readonly number[] }
  /** The bytes of each id. */
  | { readonly kind: 'pieces'; readonly ids: readonly number[] }
  /** The prompt of a chat, as text and as ids. `limit`: most ids that are any use. */
  | {
      readonly kind: 'chat';
      readonly messages: readonly ChatMessage[];
      readonly options: ChatOptions;
      readonly limit: number;
    };

/** What is known of a model's way with text. */
export interface AboutText {
  readonly bosToken: string;
  readonly eosToken: string;
  /** Jinja source; undefined: the model has none. */
  readonly chatTemplate: string | undefined;
  readonly vocabSize: number;
  /** Tokens that fill a text in from both sides; undefined where the vocabulary has none. */
  readonly infill: InfillIds | undefined;
}

export interface InfillIds {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

export interface ChatPrompt {
  readonly text: string;
  readonly ids: Int32Array;
}

/** The answer of each kind of job. */
export interface DeskAnswers {
  readonly about: AboutText;
  readonly tokenize: Int32Array;
  readonly detokenize: string;
  readonly pieces: readonly Uint8Array[];
  readonly chat: ChatPrompt;
}

export type FromDesk =
  | { readonly kind: 'ready' }
  /** The vocabulary cannot be read; the thread ends. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'answer'; readonly answer: DeskAnswers[keyof DeskAnswers] }
  /** `code`: the request was wrong; without one it is a bug. */
  | { readonly kind: 'refused'; readonly message: string; readonly code?: string };
