import {
  encodePrompt,
  type EncodedPrompt,
  LONG_PROMPT,
  type Output,
  PromptReader,
  resolveText,
  TextReader,
} from '@cria/inference';
import type { Tokenizer } from '@cria/tokenizer';
import type { PromptEncoder } from './prompt-encoder.ts';
import type { IdsRequest, IdVectorsRequest, TextsRequest, VectorsRequest } from './protocol.ts';

/** Texts on their way: what the engine is asked for, and what makes texts of its ids. */
export interface PreparedTexts {
  readonly request: IdsRequest;
  /** One for each text, those of the first prompt first. */
  readonly readers: readonly TextReader[];
}

/**
 * The HTTP thread's side of the texts: prompts become ids, ids become texts, and whatever is wrong
 * with a request is found here, before the engine hears of it.
 */
export class TextSide {
  readonly #tokenizer: Tokenizer;
  readonly #encoder: PromptEncoder;
  readonly #prompts: PromptReader;
  /** Tokens that prompt and text can have together. */
  readonly #limit: number;

  constructor(tokenizer: Tokenizer, encoder: PromptEncoder, limit: number) {
    this.#tokenizer = tokenizer;
    this.#encoder = encoder;
    this.#limit = limit;
    this.#prompts = new PromptReader(tokenizer);
  }

  /** Whether the prompts are so long that another thread encodes them. @throws RequestError for one that cannot fit */
  isLong({ prompts }: Pick<TextsRequest, 'prompts'>): boolean {
    const texts = prompts.filter((prompt) => typeof prompt === 'string');
    for (const text of texts) this.#prompts.weigh('engine.generate', text, this.#limit);
    return texts.reduce((sum, { length }) => sum + length, 0) >= LONG_PROMPT;
  }

  /** Each prompt is encoded once, here or, where they are `long`, elsewhere. @throws RequestError */
  async prepare(request: TextsRequest, long: boolean): Promise<PreparedTexts> {
    const { n } = request;
    const encoded = await Promise.all(request.prompts.map((prompt) => this.#encode(prompt, long)));
    const resolved = encoded.map((prompt) =>
      resolveText('engine.generate', { ...request.options, prompt }, this.#prompts, this.#limit),
    );
    const readers = resolved.flatMap(({ request: { ids }, stop, echoed }) =>
      Array.from(
        { length: n },
        () => new TextReader({ tokenizer: this.#tokenizer, prompt: ids, stop, echoed }),
      ),
    );
    const prompts = resolved.map(({ request: { ids } }) => ids);
    // Prompts differ in their length, and so in what is left of the context: the engine sees to that.
    const maxTokens = Math.max(...resolved.map((each) => each.request.maxTokens));
    const [first] = resolved;
    if (!first) throw new Error('[text-side] a request without a prompt.');
    const { ids: _, constraint: __, ...options } = first.request;
    return { request: { prompts, n, options: { ...options, maxTokens } }, readers };
  }

  /** Prompts that are read, and no more. @throws RequestError */
  async prepareVectors({ prompts, options }: VectorsRequest, long: boolean): Promise<IdVectorsRequest> {
    const encoded = await Promise.all(prompts.map((prompt) => this.#encode(prompt, long)));
    const read = encoded.map((prompt) => this.#prompts.read('engine.embed', prompt, this.#limit).ids);
    return { prompts: read, options };
  }

  async close(): Promise<void> {
    await this.#encoder.close();
  }

  async #encode(
    prompt: string | readonly number[],
    long: boolean,
  ): Promise<readonly number[] | EncodedPrompt> {
    if (typeof prompt !== 'string') return prompt;
    const ids = long ? await this.#encoder.encode(prompt) : encodePrompt(this.#tokenizer, prompt);
    return { text: prompt, ids };
  }
}

/** What a client reads. */
export function outputsOf({ readers }: PreparedTexts): readonly Output[] {
  return readers.map(({ output }) => output);
}
