import type { TObject } from 'typebox';
import { ApiError } from '../http/errors.ts';

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Record<string, unknown>;
}

/** One sentence about the first thing that is wrong with a body, naming the field. */
export function explainBody(errors: readonly SchemaError[], body: unknown, schema: TObject): ApiError {
  const missing = errors.find(({ keyword, instancePath }) => keyword === 'required' && instancePath === '');
  if (missing) {
    const field = String(missing.params['missingProperty']);
    return new ApiError(400, `${field} is missing. hint: give ${wanted(schema, field)}`, {
      code: 'missing_field',
      param: field,
    });
  }
  const field = errors[0]?.instancePath.split('/')[1];
  if (!field) return new ApiError(400, 'the body is not a JSON object.', { code: 'invalid_body' });
  const value = showValue((body as Record<string, unknown>)[field]);
  return new ApiError(400, `${field} is ${value}. hint: give ${wanted(schema, field)}`, {
    code: 'invalid_value',
    param: field,
  });
}

function wanted(schema: TObject, field: string): string {
  // plain JSON schema
  const properties = schema.properties as unknown as Readonly<Record<string, { description?: string }>>;
  return properties[field]?.description ?? 'another value';
}

/** At most 100 characters of something. */
export function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** The beginning of a value as JSON. */
export function showValue(value: unknown): string {
  return cut(show(value));
}

/** As JSON, of any value's first few parts: bodies may be megabytes, or nested deeper than a stack goes. */
function show(value: unknown, depth = 0): string {
  if (typeof value === 'number') return String(value); // 1e999 is no JSON
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 200));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const part = (each: unknown) => (depth < 3 ? show(each, depth + 1) : '…');
  if (Array.isArray(value)) return `[${value.slice(0, 50).map(part).join(',')}]`;
  const fields = Object.entries(value).slice(0, 50);
  return `{${fields.map(([name, each]) => `${JSON.stringify(name)}:${part(each)}`).join(',')}}`;
}
