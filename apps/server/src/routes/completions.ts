import type { FinishReason, GenerationChunk } from '@cria/inference';
import {
  type CompletionLogProbabilities,
  CompletionReader,
  appendLogProbabilities,
} from '../compat/log-probabilities.ts';
import { checkModel, checkStreamOptions, type Head, newHead, oneOf, usageOf } from '../compat/openai.ts';
import { ApiError, isOwnFault, toApiError } from '../http/errors.ts';
import { type Call, postRoute } from '../http/route.ts';
import { dataEvent, DONE, sendEvents } from '../http/sse.ts';
import { engineOf } from '../http/state.ts';
import type { TextsRequest } from '../protocol.ts';
import { CompletionBody } from '../schema/completion.ts';
import { grammarSpec } from '../schema/grammar.ts';
import { given, samplingOptions } from '../schema/sampling.ts';
import { Texts } from '../texts.ts';

/** OpenAI's default; enough for a try, and nobody waits for a context full of text they did not ask for. */
const DEFAULT_MAX_TOKENS = 16;

/** Continues one or more prompts, whole or streamed. */
export const completions = postRoute({
  path: '/v1/completions',
  // The path /completion is llama.cpp's own, another shape.
  aliases: ['/completions'],
  summary: 'continues one or more prompts, whole or streamed',
  body: CompletionBody,
  async answer(call) {
    const { body, state, reply } = call;
    const { facts } = engineOf(state);
    checkModel(body.model, facts.id);
    checkStreamOptions(body);
    const texts = await Texts.start(call, toRequest(body));
    const head = newHead('cmpl-', 'text_completion', facts);
    if (body.stream !== true) return whole(texts, head, call);
    return sendEvents(reply, events(texts, head, call), state.pingInterval);
  },
});

type CompletionHead = Head<'text_completion'>;

interface Choice {
  readonly index: number;
  readonly text: string;
  readonly logprobs: CompletionLogProbabilities | null;
  readonly finish_reason: FinishReason | null;
}

/** The whole answer as one object. */
async function whole(texts: Texts, head: CompletionHead, call: Call<CompletionBody>): Promise<object> {
  const choices = Array.from({ length: texts.count }, (_, index) => choice(index, { text: '' }, null));
  const logProbabilities = logProbabilityReader(texts, call);
  for await (const { index, value: chunk } of texts.chunks()) {
    const before = choices[index] ?? choice(index, { text: '' }, null);
    const likely = appendLogProbabilities(before.logprobs, await logProbabilities(index, chunk));
    choices[index] = choice(index, { ...chunk, text: before.text + chunk.text }, likely);
  }
  return { ...head, choices, usage: usageOf(texts.totals) };
}

/** The answer as events. An error is an event too, and then the last. */
async function* events(
  texts: Texts,
  head: CompletionHead,
  call: Call<CompletionBody>,
): AsyncGenerator<string> {
  const { body, state } = call;
  const logProbabilities = logProbabilityReader(texts, call);
  // vLLM's `continuous_usage_stats`: the totals so far in every event.
  const { include_usage: atEnd, continuous_usage_stats: always } = body.stream_options ?? {};
  try {
    for await (const { index, value: chunk } of texts.chunks()) {
      const usage = always ? { usage: usageOf(texts.totals) } : atEnd ? { usage: null } : {};
      const likely = await logProbabilities(index, chunk);
      yield dataEvent({ ...head, choices: [choice(index, chunk, likely)], ...usage });
    }
    if (atEnd) yield dataEvent({ ...head, choices: [], usage: usageOf(texts.totals) });
    yield DONE;
  } catch (error) {
    if (isOwnFault(error)) state.onError(error);
    yield dataEvent(toApiError(error).body);
  }
}

function choice(
  index: number,
  { text, finishReason }: Pick<GenerationChunk, 'text' | 'finishReason'>,
  logprobs: CompletionLogProbabilities | null,
): Choice {
  return { index, text, logprobs, finish_reason: finishReason ?? null };
}

/** What reads the log-probabilities of chunks, a reader for each choice; null where none are asked for. */
function logProbabilityReader(texts: Texts, { body, state }: Call<CompletionBody>) {
  const readers = new Map<number, CompletionReader>();
  return (index: number, chunk: GenerationChunk): Promise<CompletionLogProbabilities> | null => {
    if (body.logprobs == null) return null;
    const reader =
      readers.get(index) ?? new CompletionReader(state.desk, body.echo ? texts.promptOf(index) : undefined);
    readers.set(index, reader);
    return reader.read(chunk);
  };
}

function toRequest(body: CompletionBody): TextsRequest {
  const n = body.n ?? 1;
  checkBestOf(body.best_of ?? n, n);
  const grammar = grammarSpec(body);
  const maxTokens = oneOf(body, ['max_tokens', 'max_completion_tokens']) ?? DEFAULT_MAX_TOKENS;
  return {
    prompts: listPrompts(body.prompt),
    n,
    options: {
      ...samplingOptions(body),
      ...given({
        maxTokens,
        stop: body.stop,
        echo: body.echo,
        logProbabilities: body.logprobs,
        promptLogProbabilities: body.echo ? body.logprobs : null,
      }),
    },
    ...(grammar && { grammar }),
  };
}

/** 0 and 1 are what clients send that mean nothing by it; more texts than n would have to be ranked. */
function checkBestOf(bestOf: number, n: number): void {
  if (bestOf <= 1 || bestOf === n) return;
  const message = `best_of is ${bestOf} and n is ${n}: this server ranks no texts. hint: leave best_of out`;
  throw new ApiError(400, message, { code: 'unsupported_field', param: 'best_of' });
}

/** A list of numbers alone is one prompt; of any else, each entry. */
export function listPrompts(prompt: CompletionBody['prompt']): (string | number[])[] {
  if (typeof prompt === 'string') return [prompt];
  // the schema mixes no ids among texts
  return typeof prompt[0] === 'number' ? [prompt as number[]] : (prompt as (string | number[])[]);
}
