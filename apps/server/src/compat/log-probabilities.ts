import type { GenerationChunk, TokenLogProbability } from '@cria/inference';
import type { ServerState } from '../http/state.ts';
import { utf8 } from './utf8.ts';

/** As many likeliest tokens as one may ask for at each place; OpenAI's limit of chats. */
export const MOST_TOP = 20;
/** What stands for a probability of 0, whose logarithm JSON has no number for; OpenAI's own word for it. */
const IMPOSSIBLE = -9999;

/** A token as clients see it. */
interface Piece {
  readonly text: string;
  readonly bytes: readonly number[];
}

/** In the shape of OpenAI's completions: lists of one entry a token. */
export interface CompletionLogProbabilities {
  /** As `shown` writes them; '' for those that stand for no text, such as the beginning of it. */
  readonly tokens: string[];
  /** null: the first of an echoed prompt, before which there is nothing. */
  readonly token_logprobs: (number | null)[];
  /** By text; the chosen one is always among them. */
  readonly top_logprobs: (Readonly<Record<string, number>> | null)[];
  /** Where each token begins in the text of the choice, in UTF-16 units. */
  readonly text_offset: number[];
}

/** In the shape of OpenAI's chats. */
export interface ChatLogProbability {
  readonly token: string;
  readonly logprob: number;
  /** UTF-8, so that characters which tokens cut can be put together. */
  readonly bytes: readonly number[];
  /** The likeliest, best first: the chosen one only where it is one of them. */
  readonly top_logprobs: readonly Omit<ChatLogProbability, 'top_logprobs'>[];
}

/** Tokens of a vocabulary as texts, asked for once a request. */
class Pieces {
  readonly #desk: ServerState['desk'];
  readonly #known = new Map<number, Piece>();

  constructor(desk: ServerState['desk']) {
    this.#desk = desk;
  }

  /** Asks for those that are not known yet, all at once. */
  async learn(ids: Iterable<number>): Promise<void> {
    const fresh = [...new Set(ids)].filter((id) => !this.#known.has(id));
    if (fresh.length === 0) return;
    const pieces = await this.#desk.do({ kind: 'pieces', ids: fresh });
    for (const [i, id] of fresh.entries()) {
      const bytes = pieces[i] ?? new Uint8Array();
      this.#known.set(id, { text: shown(bytes), bytes: [...bytes] });
    }
  }

  /** One that was learnt. */
  of(id: number): Piece {
    return this.#known.get(id) ?? { text: '', bytes: [] };
  }
}

/**
 * The text of a token; `bytes:\xe2\x82` where it is only part of a character, as OpenAI writes it.
 */
function shown(bytes: Uint8Array): string {
  const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, '0')}`;
  return utf8(bytes) ?? `bytes:${[...bytes].map(hex).join('')}`;
}

const finite = (value: number) => Math.max(value, IMPOSSIBLE);

function* idsOf(places: readonly TokenLogProbability[]): Generator<number> {
  for (const { id, top } of places) {
    yield id;
    for (const each of top) yield each.id;
  }
}

/** Log-probabilities of one choice of a completion, chunk by chunk. */
export class CompletionReader {
  readonly #pieces: Pieces;
  /** The first id of an echoed prompt, until it is told. */
  #first: number | undefined;
  #offset = 0;
  /** Counts the text as it comes, however its characters are cut. */
  readonly #text = new TextDecoder();

  /** `echoed`: the prompt, where the text begins with it */
  constructor(desk: ServerState['desk'], echoed?: ArrayLike<number>) {
    this.#pieces = new Pieces(desk);
    this.#first = echoed?.[0];
  }

  /** What a chunk tells, the prompt's tokens first; the lists of chunks together are those of the text. */
  async read({ logProbabilities, promptLogProbabilities }: Shown): Promise<CompletionLogProbabilities> {
    const places = [...(promptLogProbabilities ?? []), ...(logProbabilities ?? [])];
    const first = this.#first;
    this.#first = undefined;
    await this.#pieces.learn([...(first === undefined ? [] : [first]), ...idsOf(places)]);
    const told: CompletionLogProbabilities = {
      tokens: [],
      token_logprobs: [],
      top_logprobs: [],
      text_offset: [],
    };
    if (first !== undefined) this.#tell(told, first, null, null);
    for (const { id, logProbability, top } of places)
      this.#tell(told, id, finite(logProbability), this.#map(id, logProbability, top));
    return told;
  }

  /** The likeliest and the chosen one; of tokens with one text the likeliest. */
  #map(id: number, own: number, top: TokenLogProbability['top']): Readonly<Record<string, number>> {
    const values = new Map<string, number>();
    for (const each of [...top, { id, logProbability: own }]) {
      const { text } = this.#pieces.of(each.id);
      if (!values.has(text)) values.set(text, finite(each.logProbability));
    }
    return Object.fromEntries(values);
  }

  /** Adds one token to the lists. */
  #tell(
    told: CompletionLogProbabilities,
    id: number,
    value: number | null,
    top: Readonly<Record<string, number>> | null,
  ): void {
    const { text, bytes } = this.#pieces.of(id);
    told.tokens.push(text);
    told.token_logprobs.push(value);
    told.top_logprobs.push(top);
    told.text_offset.push(this.#offset);
    this.#offset += this.#text.decode(Uint8Array.from(bytes), { stream: true }).length;
  }
}

/** The part of a chunk that is read here. */
type Shown = Pick<GenerationChunk, 'logProbabilities' | 'promptLogProbabilities'>;

/** Log-probabilities of an answer in a chat, chunk by chunk. */
export class ChatReader {
  readonly #pieces: Pieces;

  constructor(desk: ServerState['desk']) {
    this.#pieces = new Pieces(desk);
  }

  async read(places: readonly TokenLogProbability[]): Promise<ChatLogProbability[]> {
    await this.#pieces.learn(idsOf(places));
    return places.map(({ id, logProbability, top }) => ({
      ...this.#show(id, logProbability),
      top_logprobs: top.map((each) => this.#show(each.id, each.logProbability)),
    }));
  }

  #show(id: number, value: number): Omit<ChatLogProbability, 'top_logprobs'> {
    const { text, bytes } = this.#pieces.of(id);
    return { token: text, logprob: finite(value), bytes };
  }
}

/** Adds the lists of a later chunk to those before it; null where there are none. */
export function appendLogProbabilities(
  all: CompletionLogProbabilities | null,
  next: CompletionLogProbabilities | null,
): CompletionLogProbabilities | null {
  if (!all || !next) return all ?? next;
  // One by one: a chunk may be a whole prompt, more than a call takes arguments.
  for (const [i, token] of next.tokens.entries()) {
    all.tokens.push(token);
    all.token_logprobs.push(next.token_logprobs[i] ?? null);
    all.top_logprobs.push(next.top_logprobs[i] ?? null);
    all.text_offset.push(next.text_offset[i] ?? 0);
  }
  return all;
}
