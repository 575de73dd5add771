import { nearestName } from '@cria/tensor';
import type { TObject } from 'typebox';
import { harmlessFields, textFields } from '../compat/text-fields.ts';
import { ApiError } from '../http/errors.ts';
import { cut, showValue } from './explain.ts';

/** Fields that a header tells of, at most, and characters of each: a request may have thousands. */
const TOLD = { fields: 20, length: 40 };

/**
 * Takes the fields out of a body that its route does not know, and returns the names of those that
 * nobody knows, to be told. Harmless ones of OpenAI's and of known servers go without a word. What
 * would change the text if it were honoured is refused, a misspelt field among it; `strict` refuses
 * every field that is not known. @throws ApiError that names the field
 */
export function dropUnknown(body: unknown, schema: TObject, strict: boolean): readonly string[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return []; // the schema says so
  const fields = body as Record<string, unknown>;
  const ignored: string[] = [];
  for (const name of Object.keys(fields)) {
    if (Object.hasOwn(schema.properties, name)) continue;
    const value = fields[name];
    delete fields[name];
    const neutral = textFields.get(name);
    if (neutral?.(value) === false) throw notHonoured(name, value);
    if (neutral || harmlessFields.has(name)) continue;
    const nearest = name.length < 100 ? nearestName(name, Object.keys(schema.properties)) : undefined;
    if (strict || nearest !== undefined) throw unknownField(name, nearest, schema);
    if (ignored.length < TOLD.fields) ignored.push(name.slice(0, TOLD.length));
  }
  return ignored;
}

/** Names as a header can hold them. */
export function headerNames(names: readonly string[]): string {
  return names.map((name) => name.replace(/[^\w.-]/g, '?')).join(', ');
}

function notHonoured(name: string, value: unknown): ApiError {
  const message = `${name} is ${showValue(value)}, which this route does not honour, and a text made without it would not be what was asked for. hint: leave ${name} out`;
  return new ApiError(400, message, { code: 'unsupported_field', param: name });
}

function unknownField(field: string, nearest: string | undefined, schema: TObject): ApiError {
  const shown = cut(field);
  const hint = nearest
    ? `did you mean "${nearest}"?`
    : `known fields are ${Object.keys(schema.properties).join(', ')}`;
  return new ApiError(400, `unknown field "${shown}". hint: ${hint}`, {
    code: 'unknown_field',
    param: shown,
  });
}
