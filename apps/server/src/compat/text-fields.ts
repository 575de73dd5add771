/*
 * Fields of OpenAI's API and of known servers that this server does not have (yet). A route that
 * has one says so in its schema, and what is said here of it no longer counts there.
 */

/** Whether a value asks for nothing, so that taking no notice of it is right. */
type Neutral = (value: unknown) => boolean;

const isNull: Neutral = (value) => value === null;
const is =
  (...values: readonly unknown[]): Neutral =>
  (value) =>
    value === null || values.includes(value);
const isEmpty: Neutral = (value) =>
  value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
const isText: Neutral = (value) =>
  value === null || (typeof value === 'object' && (value as { type?: unknown }).type === 'text');
/** Words of OpenAI's that set how much a model thinks, or how long it writes; "auto" leaves it to the model. */
const isAuto = is('auto');

/** Fields that would change the text if they were honoured: refused, but where they ask for nothing. */
export const textFields: ReadonlyMap<string, Neutral> = new Map<string, Neutral>([
  // What may be written
  ['response_format', isText],
  ['text', isEmpty],
  ['output_config', isEmpty],
  ['grammar', isEmpty],
  ['json_schema', isEmpty],
  ['structured_outputs', isEmpty],
  ['guided_json', isEmpty],
  ['guided_regex', isEmpty],
  ['guided_choice', isEmpty],
  ['guided_grammar', isEmpty],
  ['guided_decoding_backend', isNull],
  ['guided_whitespace_pattern', isNull],
  ['tools', isEmpty],
  ['tool_choice', is('auto', 'none')],
  ['functions', isEmpty],
  ['function_call', is('auto', 'none')],
  ['logit_bias', isEmpty],
  ['allowed_token_ids', isEmpty],
  ['bad_words', isEmpty],
  ['min_tokens', is(0)],
  ['stop_token_ids', isEmpty],
  ['include_stop_str_in_output', is(false)],
  ['skip_special_tokens', is(true)],
  ['suffix', isEmpty],
  // How it is chosen
  ['dynatemp_range', is(0)],
  ['dynatemp_exponent', is(1)],
  ['typical_p', is(1)],
  ['top_a', is(0)],
  ['top_n_sigma', is(-1, 0)],
  ['xtc_probability', is(0)],
  ['xtc_threshold', isNull],
  ['dry_multiplier', is(0)],
  ['mirostat', is(0)],
  ['repeat_last_n', isNull],
  ['samplers', isEmpty],
  ['use_beam_search', is(false)],
  ['length_penalty', is(1)],
  ['min_keep', is(0)],
  ['epsilon_cutoff', is(0)],
  ['eta_cutoff', is(0)],
  // What it follows
  ['truncate_prompt_tokens', isNull],
  ['truncation', is('disabled')],
  ['lora', isEmpty],
  ['lora_request', isEmpty],
  ['prediction', isNull],
  ['image_data', isEmpty],
  ['multimodal_data', isEmpty],
  ['audio', isNull],
  ['modalities', (value) => value === null || JSON.stringify(value) === '["text"]'],
  ['web_search_options', isNull],
  ['reasoning_effort', isAuto],
  ['verbosity', isAuto],
  ['thinking_token_budget', isNull],
  ['chat_template', isEmpty],
  // What else is told of it
  ['dimensions', isNull],
  ['logprobs', is(false)],
  ['top_logprobs', is(0)],
  ['prompt_logprobs', isNull],
  ['n_probs', is(0)],
]);

/**
 * Fields that change no text whatever they say: of OpenAI's accounts and caches, and of what known
 * servers do by themselves.
 */
export const harmlessFields: ReadonlySet<string> = new Set([
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'cache_prompt',
  'cache_salt',
  'id_slot',
  'slot_id',
  'n_keep',
  'priority',
  'request_id',
  'mirostat_tau',
  'mirostat_eta',
  'dry_base',
  'dry_allowed_length',
  'dry_penalty_last_n',
  'dry_sequence_breakers',
  'spaces_between_special_tokens',
  'parallel_tool_calls',
  'best_of',
  'stream_options',
]);
