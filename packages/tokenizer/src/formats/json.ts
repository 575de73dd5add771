/** Objects and lists in JSON that somebody else wrote. */
import { encodeUtf8 } from '../bytes/utf8.ts';
import { failure } from '../errors.ts';
import { describeWrongFile } from '../wrong-file.ts';

export type Json = null | boolean | number | string | Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** The object that a file holds. Throws, naming the file, where it holds none. */
export function parseObject(op: string, text: string, name: string): JsonObject {
  const wrong = describeWrongFile(encodeUtf8(text.slice(0, 1024)));
  if (wrong !== undefined) throw failure(op, `${name} is ${wrong.what}`, wrong.hint);
  let value: Json;
  try {
    value = JSON.parse(text) as Json; // what JSON.parse returns
  } catch (error) {
    throw failure(op, `${name} is no JSON (${(error as Error).message})`, 'the file is damaged');
  }
  const root = object(value);
  if (root === undefined) throw failure(op, `${name} holds no object`, 'the file is damaged');
  return root;
}

export function object(value: Json | undefined): JsonObject | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
}

export function list(op: string, value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value))
    throw failure(
      op,
      `${JSON.stringify(value)?.slice(0, 60)} stands where a list should`,
      'the file is damaged',
    );
  return value;
}

/** A value in an error message. */
export function shown(value: Json | undefined): string {
  const text = JSON.stringify(value ?? null);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

/** The name of a token in a configuration: a text, or an object with its `content`. */
export function contentOf(value: Json | undefined): string | undefined {
  const content = typeof value === 'string' ? value : object(value)?.['content'];
  return typeof content === 'string' ? content : undefined;
}
