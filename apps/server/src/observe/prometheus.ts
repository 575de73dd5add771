import type { Metrics } from './metrics.ts';

interface Gauges {
  readonly model: string;
  /** Texts that are made, and that wait. */
  readonly running: number;
  readonly waiting: number;
}

/** The text format of Prometheus: our names, and those that dashboards of llama.cpp and vLLM look for. */
export function prometheusText(metrics: Metrics, gauges: Gauges): string {
  const labels = `model_name="${gauges.model.replace(/["\\\n]/g, '\\$&')}"`;
  return [
    ...ownLines(metrics, gauges, labels),
    ...llamaLines(metrics, gauges),
    ...vllmLines(metrics, gauges, labels),
  ]
    .join('\n')
    .concat('\n');
}

/** One number with its two lines of description. */
function sample(kind: 'counter' | 'gauge', name: string, help: string, value: number, labels = ''): string[] {
  const at = labels === '' ? '' : `{${labels}}`;
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, `${name}${at} ${value}`];
}

function counts(
  name: string,
  help: string,
  entries: readonly (readonly [labels: string, value: number])[],
): string[] {
  const lines = entries.map(([labels, value]) => `${name}{${labels}} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, ...lines];
}

function histogram(
  name: string,
  help: string,
  values: { lines(name: string, labels: string): string[] },
  labels: string,
): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...values.lines(name, labels)];
}

function ownLines(metrics: Metrics, { running, waiting }: Gauges, labels: string): string[] {
  const answers = [...metrics.answers].map(([status, count]) => [`status="${status}"`, count] as const);
  return [
    ...counts('cria_http_responses_total', 'Answers by status.', answers),
    ...sample('gauge', 'cria_texts_running', 'Texts that are made.', running, labels),
    ...sample('gauge', 'cria_texts_waiting', 'Texts that wait for their turn.', waiting, labels),
  ];
}

/** llama.cpp has no labels. */
function llamaLines(metrics: Metrics, { running, waiting }: Gauges): string[] {
  const { promptTokens, promptSeconds, tokens, textSeconds, cachedTokens } = metrics;
  const computed = promptTokens - cachedTokens;
  const rate = (count: number, seconds: number) => (seconds === 0 ? 0 : count / seconds);
  const at = (name: string) => `llamacpp:${name}`;
  return [
    ...sample('counter', at('prompt_tokens_total'), 'Prompt tokens computed.', computed),
    ...sample('counter', at('prompt_seconds_total'), 'Time to first tokens.', promptSeconds),
    ...sample('counter', at('tokens_predicted_total'), 'Tokens made.', tokens),
    ...sample(
      'counter',
      at('tokens_predicted_seconds_total'),
      'Time from first to last tokens.',
      textSeconds,
    ),
    ...sample('gauge', at('prompt_tokens_seconds'), 'Prompt tokens a second.', rate(computed, promptSeconds)),
    ...sample(
      'gauge',
      at('predicted_tokens_seconds'),
      'Tokens a second and text.',
      rate(tokens, textSeconds),
    ),
    ...sample('gauge', at('requests_processing'), 'Texts that are made.', running),
    ...sample('gauge', at('requests_deferred'), 'Texts that wait for their turn.', waiting),
    ...sample('counter', at('n_tokens_max'), 'Most tokens of a text with its prompt.', metrics.mostTokens),
    ...sample('counter', at('prompt_tokens_cache_total'), 'Prompt tokens found in the cache.', cachedTokens),
    ...sample('gauge', at('prompt_cache_hit_ratio'), 'Their share.', rate(cachedTokens, promptTokens)),
  ];
}

/** vLLM names the model in every line. */
function vllmLines(metrics: Metrics, { running, waiting }: Gauges, labels: string): string[] {
  const at = (name: string) => `vllm:${name}`;
  const ended = Object.entries(metrics.ended).map(
    ([reason, count]) => [`${labels},finished_reason="${reason}"`, count] as const,
  );
  return [
    ...sample('gauge', at('num_requests_running'), 'Texts that are made.', running, labels),
    ...sample('gauge', at('num_requests_waiting'), 'Texts that wait.', waiting, labels),
    ...sample('counter', at('prompt_tokens_total'), 'Prompt tokens.', metrics.promptTokens, labels),
    ...sample('counter', at('generation_tokens_total'), 'Tokens made.', metrics.tokens, labels),
    ...sample(
      'counter',
      at('prefix_cache_queries'),
      'Prompt tokens looked up.',
      metrics.promptTokens,
      labels,
    ),
    ...sample('counter', at('prefix_cache_hits'), 'Prompt tokens found.', metrics.cachedTokens, labels),
    ...counts(at('request_success_total'), 'Texts by how they ended.', ended),
    ...histogram(at('time_to_first_token_seconds'), 'Request to first token.', metrics.firstToken, labels),
    ...histogram(at('inter_token_latency_seconds'), 'Mean gap of tokens.', metrics.tokenGap, labels),
    ...histogram(at('e2e_request_latency_seconds'), 'Request to last token.', metrics.whole, labels),
    ...histogram(at('request_prompt_tokens'), 'Tokens of prompts.', metrics.promptLength, labels),
    ...histogram(at('request_generation_tokens'), 'Tokens of texts.', metrics.textLength, labels),
  ];
}
