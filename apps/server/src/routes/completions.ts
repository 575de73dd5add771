import { randomUUID } from 'node:crypto';
import type { FinishReason, GenerationChunk, Output, Usage } from '@cria/inference';
import { ApiError, isOwnFault, toApiError } from '../http/errors.ts';
import { type CompletionBody, MAX_CHOICES } from '../schema/completion.ts';
import type { EngineClient } from '../engine-client.ts';
import { merge } from '../merge.ts';
import type { TextsRequest } from '../protocol.ts';

/** OpenAI's default; enough for a try, and nobody waits for a context full of text they did not ask for. */
const DEFAULT_MAX_TOKENS = 16;

interface Choice {
  readonly index: number;
  readonly text: string;
  readonly logprobs: null;
  readonly finish_reason: FinishReason | null;
}

/** One completion request on its way: a text for every prompt and each of its `n`. */
export class Completion {
  readonly #outputs: readonly Output[];
  readonly #usages: Usage[] = [];
  readonly #head: { id: string; object: 'text_completion'; created: number; model: string };
  readonly #n: number;
  readonly #streamOptions: NonNullable<CompletionBody['stream_options']>;

  /** Hands every text of the request to the engine, or none. @throws ApiError, RequestError, EngineFailure */
  static async start(body: CompletionBody, engine: EngineClient): Promise<Completion> {
    const outputs = await engine.generate(toRequest(body, engine.facts.id));
    return new Completion(outputs, body, engine.facts.id);
  }

  private constructor(outputs: readonly Output[], body: CompletionBody, model: string) {
    this.#outputs = outputs;
    this.#n = body.n ?? 1;
    this.#streamOptions = body.stream_options ?? {};
    const created = Math.floor(Date.now() / 1000);
    this.#head = {
      id: `cmpl-${randomUUID().replaceAll('-', '')}`,
      object: 'text_completion',
      created,
      model,
    };
  }

  /** Stops what still runs. Harmless afterwards. */
  cancel(): void {
    for (const output of this.#outputs) void output.return();
  }

  /** The whole answer as one object. */
  async whole(): Promise<object> {
    const choices: Choice[] = this.#outputs.map((_, index) => ({
      index,
      text: '',
      logprobs: null,
      finish_reason: null,
    }));
    try {
      for await (const { index, value: chunk } of merge(this.#outputs)) {
        this.#usages[index] = chunk.usage;
        const text = (choices[index]?.text ?? '') + chunk.text;
        choices[index] = choice(index, { ...chunk, text });
      }
    } finally {
      this.cancel();
    }
    return { ...this.#head, choices, usage: this.#usage() };
  }

  /**
   * The answer as server-sent events, `[DONE]` the last one. An error is an event too, and then the
   * last: clients take `[DONE]` for a good end. `onError` hears of faults of the server itself.
   */
  async *events(onError: (error: unknown) => void): AsyncGenerator<string> {
    // vLLM's `continuous_usage_stats`: the totals so far in every event.
    const { include_usage: atEnd, continuous_usage_stats: always } = this.#streamOptions;
    try {
      for await (const { index, value: chunk } of merge(this.#outputs)) {
        this.#usages[index] = chunk.usage;
        const usage = always ? { usage: this.#usage() } : atEnd ? { usage: null } : {};
        yield event({ ...this.#head, choices: [choice(index, chunk)], ...usage });
      }
      if (atEnd) yield event({ ...this.#head, choices: [], usage: this.#usage() });
      yield 'data: [DONE]\n\n';
    } catch (error) {
      if (isOwnFault(error)) onError(error);
      yield event(toApiError(error).body);
    } finally {
      this.cancel();
    }
  }

  /** A prompt counts once, however many texts continue it. */
  #usage(): object {
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const prompt = sum(this.#usages.filter((_, i) => i % this.#n === 0).map((usage) => usage.promptTokens));
    const completion = sum(this.#usages.map((usage) => usage.completionTokens));
    return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
  }
}

function choice(index: number, { text, finishReason }: GenerationChunk): Choice {
  return { index, text, logprobs: null, finish_reason: finishReason ?? null };
}

function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function toRequest(body: CompletionBody, served: string): TextsRequest {
  if (body.model != null && body.model !== served) {
    const message = `[completions] there is no model "${body.model}". hint: this server has "${served}"`;
    throw new ApiError(404, message, { code: 'model_not_found', param: 'model' });
  }
  const prompts = listPrompts(body.prompt);
  const n = body.n ?? 1;
  if (prompts.length * n > MAX_CHOICES) {
    const message = `[completions] ${prompts.length} prompts times n = ${n} are more than ${MAX_CHOICES} texts. hint: send several requests`;
    throw new ApiError(400, message, { code: 'too_many_choices', param: 'n' });
  }
  return { prompts, n, options: toOptions(body) };
}

function listPrompts(prompt: CompletionBody['prompt']): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as string[] | number[][]); // the schema knows no mixed lists
}

/** Without a seed all texts of a request still share one, so that their streams differ and nothing else does. */
function toOptions(body: CompletionBody): TextsRequest['options'] {
  const fields = {
    maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    seed: body.seed ?? Math.floor(Math.random() * 2 ** 53),
    stop: body.stop,
    ignoreEos: body.ignore_eos,
    echo: body.echo,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)); // null is "left out"
}
