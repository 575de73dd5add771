import { samplingBounds, stopLimits } from '@cria/inference';
import { nearestName } from '@cria/tensor';
import Type, { type Static, type TSchema } from 'typebox';
import { ApiError } from '../http/errors.ts';

/*
 * The body of POST /v1/completions: OpenAI's fields, and the sampling fields that open models share. Descriptions say what a field
 * takes and are part of the error when it is given something else. `null` is the same as leaving a field out.
 */

const optional = <T extends TSchema>(schema: T, description: string) =>
  Type.Optional(Type.Union([schema, Type.Null()], { description }));
const number = (minimum: number, maximum: number) =>
  optional(Type.Number({ minimum, maximum }), `a number from ${minimum} to ${maximum}`);
const integer = (minimum: number, maximum: number) =>
  optional(Type.Integer({ minimum, maximum }), `a whole number from ${minimum} to ${maximum}`);
const unsupported = (description: string) => Type.Optional(Type.Union([Type.Null()], { description }));
const ids = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 });

/** Texts that one request may ask for. */
export const MAX_CHOICES = 128;

export const CompletionBody = Type.Object(
  {
    prompt: Type.Union(
      [Type.String(), Type.Array(Type.String(), { minItems: 1 }), ids, Type.Array(ids, { minItems: 1 })],
      {
        description: 'a string, a list of token ids, or a list of either',
      },
    ),
    model: optional(Type.String(), 'a string'),
    max_tokens: integer(0, Number.MAX_SAFE_INTEGER),
    temperature: optional(Type.Number({ minimum: 0 }), 'a number from 0 on'),
    top_p: number(0, 1),
    top_k: integer(0, Number.MAX_SAFE_INTEGER),
    min_p: number(0, 1),
    repetition_penalty: number(...samplingBounds.repetitionPenalty),
    presence_penalty: number(-2, 2),
    frequency_penalty: number(-2, 2),
    seed: integer(0, Number.MAX_SAFE_INTEGER),
    stop: optional(
      Type.Union([
        Type.String({ minLength: 1, maxLength: stopLimits.length }),
        Type.Array(Type.String({ minLength: 1, maxLength: stopLimits.length }), {
          maxItems: stopLimits.strings,
        }),
      ]),
      `a string, or a list of up to ${stopLimits.strings}, none empty, of ${stopLimits.length} characters together`,
    ),
    ignore_eos: optional(Type.Boolean(), 'true or false'),
    echo: optional(Type.Boolean(), 'true or false'),
    n: integer(1, MAX_CHOICES),
    stream: optional(Type.Boolean(), 'true or false'),
    stream_options: optional(
      Type.Object(
        {
          include_usage: optional(Type.Boolean(), 'true or false'),
          continuous_usage_stats: optional(Type.Boolean(), 'true or false'),
        },
        { additionalProperties: false },
      ),
      'an object with include_usage and continuous_usage_stats, each true or false',
    ),
    user: optional(Type.String(), 'a string'),
    best_of: optional(Type.Literal(1), '1: this server makes as many texts as n asks for'),
    logprobs: unsupported('null: this server does not give log probabilities yet'),
    logit_bias: unsupported('null: this server does not take biases yet'),
    suffix: unsupported('null: this server only continues texts'),
  },
  { additionalProperties: false },
);

export type CompletionBody = Static<typeof CompletionBody>;

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Record<string, unknown>;
}

/** One sentence about the first thing that is wrong with a body, naming the field. */
export function explainBody(errors: readonly SchemaError[], body: unknown): ApiError {
  const unknown = errors.find(
    ({ keyword, instancePath }) => keyword === 'additionalProperties' && instancePath === '',
  );
  if (unknown) return unknownField(String(unknown.params['additionalProperty']));
  const missing = errors.find(({ keyword, instancePath }) => keyword === 'required' && instancePath === '');
  if (missing) {
    const field = String(missing.params['missingProperty']);
    return new ApiError(400, `[completions] ${field} is missing. hint: give ${wanted(field)}`, {
      code: 'missing_field',
      param: field,
    });
  }
  const field = errors[0]?.instancePath.split('/')[1];
  if (!field)
    return new ApiError(400, '[completions] the body is not a JSON object.', { code: 'invalid_body' });
  const value = show((body as Record<string, unknown>)[field]);
  return new ApiError(400, `[completions] ${field} is ${cut(value)}. hint: give ${wanted(field)}`, {
    code: 'invalid_value',
    param: field,
  });
}

function unknownField(field: string): ApiError {
  const fields = Object.keys(CompletionBody.properties);
  const shown = cut(field);
  const nearest = field.length < 100 ? nearestName(field, fields) : undefined;
  const hint = nearest ? `did you mean "${nearest}"?` : `known fields are ${fields.join(', ')}`;
  return new ApiError(400, `[completions] unknown field "${shown}". hint: ${hint}`, {
    code: 'unknown_field',
    param: shown,
  });
}

function wanted(field: string): string {
  const properties = CompletionBody.properties as unknown as Readonly<
    Record<string, { description?: string }>
  >; // plain JSON schema
  return properties[field]?.description ?? 'another value';
}

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** As JSON, of any value's first few parts: bodies may be megabytes, or nested deeper than a stack goes. */
function show(value: unknown, depth = 0): string {
  if (typeof value === 'number') return String(value); // 1e999 is no JSON
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const part = (each: unknown) => (depth < 3 ? show(each, depth + 1) : '…');
  if (Array.isArray(value)) return `[${value.slice(0, 50).map(part).join(',')}]`;
  const fields = Object.entries(value).slice(0, 50);
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${part(each)}`).join(',')}}`;
}
