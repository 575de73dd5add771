import Type, { type Static } from 'typebox';
import type { GrammarSpec } from '../grammar/spec.ts';
import { ApiError } from '../http/errors.ts';
import { optional } from './fields.ts';

const schemaField = optional(
  Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Boolean(), Type.String()]),
  'a JSON schema, or its text',
);
const sourceField = (what: string) => optional(Type.String(), what);
const choiceField = optional(
  Type.Array(Type.String(), { maxItems: 10_000 }),
  'a list of up to 10,000 strings, of which the text is one',
);
const named = Type.Object({
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  schema: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Boolean()]),
  strict: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
});

/** What the text must be: OpenAI's field, llama.cpp's and vLLM's. Without a value they ask for nothing. */
export const grammarFields = {
  response_format: optional(
    Type.Union([
      Type.Object({ type: Type.Literal('text') }),
      Type.Object({
        type: Type.Literal('json_object'),
        schema: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      }),
      Type.Object({ type: Type.Literal('json_schema'), json_schema: named }),
    ]),
    'an object of type "text", "json_object", or "json_schema" with json_schema: { name, schema }',
  ),
  json_schema: schemaField,
  grammar: sourceField('a grammar in GBNF'),
  guided_json: schemaField,
  guided_regex: sourceField('a regular expression'),
  guided_choice: choiceField,
  guided_grammar: sourceField('a grammar in GBNF'),
  structured_outputs: optional(
    Type.Object(
      {
        json: schemaField,
        regex: sourceField('a regular expression'),
        choice: choiceField,
        grammar: sourceField('a grammar in GBNF'),
        json_object: optional(Type.Boolean(), 'true or false'),
      },
      { additionalProperties: false },
    ),
    'an object with one of json, regex, choice, grammar and json_object',
  ),
};

const grammarBody = Type.Object(grammarFields);
export type GrammarBody = Static<typeof grammarBody>;

/** The one thing that a body says its text must be. @throws ApiError where it says two, or no schema */
export function grammarSpec(body: GrammarBody): GrammarSpec | undefined {
  const { response_format: format, structured_outputs: outputs } = body;
  const specs = [
    format?.type === 'json_object'
      ? schema('response_format', format.schema ?? { type: 'object' })
      : undefined,
    format?.type === 'json_schema' ? schema('response_format', format.json_schema.schema) : undefined,
    schema('json_schema', body.json_schema),
    source('grammar', 'gbnf', body.grammar),
    schema('guided_json', body.guided_json),
    source('guided_regex', 'regex', body.guided_regex),
    choice('guided_choice', body.guided_choice),
    source('guided_grammar', 'gbnf', body.guided_grammar),
    schema('structured_outputs', outputs?.json),
    source('structured_outputs', 'regex', outputs?.regex),
    choice('structured_outputs', outputs?.choice),
    source('structured_outputs', 'gbnf', outputs?.grammar),
    outputs?.json_object === true ? schema('structured_outputs', { type: 'object' }) : undefined,
  ].filter((spec) => spec !== undefined);
  const [first, second] = specs;
  if (first === undefined || second === undefined) return first;
  const message = `${first.field} and ${second.field} both say what the text must be. hint: leave one of them out`;
  throw new ApiError(400, message, { code: 'invalid_value', param: second.field });
}

/** An empty schema asks for nothing in fields of its own, as with the servers they come from. */
function schema(field: string, value: unknown): GrammarSpec | undefined {
  if (value == null || value === '') return undefined;
  if (typeof value === 'object' && Object.keys(value).length === 0 && field !== 'response_format')
    return undefined;
  return { field, kind: 'schema', schema: typeof value === 'string' ? parsed(field, value) : value };
}

function parsed(field: string, value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    throw new ApiError(400, `${field} is no JSON. hint: give a JSON schema, or its text`, {
      code: 'invalid_value',
      param: field,
    });
  }
}

function source(
  field: string,
  kind: 'regex' | 'gbnf',
  value: string | null | undefined,
): GrammarSpec | undefined {
  return value == null || value === '' ? undefined : { field, kind, source: value };
}

function choice(field: string, texts: readonly string[] | null | undefined): GrammarSpec | undefined {
  return texts == null || texts.length === 0 ? undefined : { field, kind: 'choice', texts };
}
