import { parentPort, workerData } from 'node:worker_threads';
import { TokenizerError } from '@cria/tokenizer';
import { type ChatFormat, type ChatTokenizer, jinjaChat } from '@cria/tokenizer/chat';
import type { EngineSettings } from '../protocol.ts';
import type {
  AboutText,
  ChatPrompt,
  DeskAnswers,
  DeskJob,
  FromDesk,
  InfillIds,
  TextParts,
} from './desk-protocol.ts';

/** What a model's files say of its text. */
export interface TextModel {
  readonly tokenizer: ChatTokenizer;
  /** Jinja source; undefined: the model has none. */
  readonly chatTemplate: string | undefined;
}

/** A fault of the request. */
class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The desk's side of the two threads: reads the vocabulary, then does what it is asked. */
export async function serveDesk(load: (settings: EngineSettings) => Promise<TextModel>): Promise<void> {
  const port = parentPort;
  if (!port) throw new Error('[desk] this runs in a worker thread only.');
  const say = (message: FromDesk) => port.postMessage(message);
  let desk: Desk;
  try {
    desk = new Desk(await load(workerData as EngineSettings)); // as the HTTP thread wrote it
  } catch (error) {
    say({ kind: 'failed', message: (error as Error).message });
    return port.close();
  }
  port.on('message', (job: DeskJob) => {
    void desk.do(job).then(
      (answer) => say({ kind: 'answer', answer }),
      (error: unknown) => say(refused(error)),
    );
  });
  say({ kind: 'ready' });
}

function refused(error: unknown): FromDesk {
  if (error instanceof Refusal) return { kind: 'refused', message: error.message, code: error.code };
  // What a template or a tokenizer says of a chat is the chat's fault, too deep a nesting as well.
  if (error instanceof TokenizerError || error instanceof RangeError)
    return { kind: 'refused', message: error.message.replace(/^\[[^\]]*\] /, ''), code: 'invalid_request' };
  return { kind: 'refused', message: (error as Error).stack ?? String(error) };
}

class Desk {
  readonly #tokenizer: ChatTokenizer;
  readonly #template: string | undefined;
  #format: Promise<ChatFormat> | undefined;
  #longest: number | undefined;

  constructor({ tokenizer, chatTemplate }: TextModel) {
    this.#tokenizer = tokenizer;
    this.#template = chatTemplate;
  }

  async do(job: DeskJob): Promise<DeskAnswers[keyof DeskAnswers]> {
    switch (job.kind) {
      case 'about':
        return this.#about();
      case 'tokenize':
        return this.#tokenize(job.parts, job.addSpecial, job.parseSpecial);
      case 'detokenize':
        return this.#tokenizer.decode(this.#checked(job.ids));
      case 'pieces':
        return this.#checked(job.ids).map((id) => this.#tokenizer.tokenBytes(id));
      case 'chat':
        return this.#chat(job);
    }
  }

  #about(): AboutText {
    const { bosId, eosId, vocabSize } = this.#tokenizer;
    const piece = (id: number | undefined) => (id === undefined ? '' : this.#tokenizer.idToPiece(id));
    return {
      bosToken: piece(bosId),
      eosToken: piece(eosId),
      chatTemplate: this.#template,
      vocabSize,
      infill: infillIds(this.#tokenizer),
    };
  }

  #tokenize(parts: TextParts, addSpecial: boolean, parseSpecial: boolean): Int32Array {
    const { bosId, addsBos } = this.#tokenizer;
    const allowedSpecial = parseSpecial ? 'all' : 'none';
    const ids: number[] = addSpecial && addsBos && bosId !== undefined ? [bosId] : [];
    for (const part of parts) {
      if (typeof part === 'number') ids.push(...this.#checked([part]));
      else for (const id of this.#tokenizer.encode(part, { allowedSpecial })) ids.push(id);
    }
    return Int32Array.from(ids);
  }

  /** Special tokens inside messages stay text: only those that the template writes become ids. */
  async #chat({ messages, options, limit }: Extract<DeskJob, { kind: 'chat' }>): Promise<ChatPrompt> {
    const template = this.#template;
    if (template === undefined) {
      const message = 'the model has no chat template. hint: use /v1/completions, or a model made for chats';
      throw new Refusal('no_chat_template', message);
    }
    const { bosToken, eosToken } = this.#about();
    this.#format ??= jinjaChat(template, { bosToken, eosToken });
    const format = await this.#format;
    const text = format.render(messages, options);
    const fewest = Math.ceil(text.length / this.#longestPiece);
    if (fewest > limit) {
      const message = `the chat has ${fewest} tokens at least, the context ${limit}. hint: send less text`;
      throw new Refusal('context_length_exceeded', message);
    }
    return { text, ids: format.encode(this.#tokenizer, messages, options) };
  }

  /** Characters that one id can stand for at most: a byte is never more than one; special tokens have names. */
  get #longestPiece(): number {
    const { vocabSize, specialTokens } = this.#tokenizer;
    if (this.#longest !== undefined) return this.#longest;
    this.#longest = 1;
    for (const name of specialTokens.keys()) this.#longest = Math.max(this.#longest, name.length);
    for (let id = 0; id < vocabSize; id++)
      this.#longest = Math.max(this.#longest, this.#tokenizer.tokenBytes(id).length);
    return this.#longest;
  }

  /** @throws Refusal for an id that the vocabulary does not have */
  #checked(ids: readonly number[]): readonly number[] {
    const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < this.#tokenizer.vocabSize));
    if (wrong === undefined) return ids;
    const last = this.#tokenizer.vocabSize - 1;
    throw new Refusal('invalid_value', `${wrong} is not a token id. hint: they go from 0 to ${last}`);
  }
}

/** Names that vocabularies of code models give to the three tokens, one family a line. */
const INFILL_NAMES = [
  ['▁<PRE>', '▁<SUF>', '▁<MID>'],
  ['<PRE>', '<SUF>', '<MID>'],
  ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
  ['<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
  ['<fim-prefix>', '<fim-suffix>', '<fim-middle>'],
] as const;

function infillIds(tokenizer: ChatTokenizer): InfillIds | undefined {
  for (const names of INFILL_NAMES) {
    const [prefix, suffix, middle] = names.map((name) => tokenizer.pieceToId(name));
    if (prefix !== undefined && suffix !== undefined && middle !== undefined)
      return { prefix, suffix, middle };
  }
  return undefined;
}
