import { fail } from '@cria/tensor';
import { openModelFile } from './model-file.ts';

/** No configuration, index or state is larger; a file that is gets refused before it is read. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

export async function readJson(op: string, path: string): Promise<unknown> {
  const file = await openModelFile(op, path);
  if (file.size > MAX_JSON_BYTES) fail(op, `${path} has ${file.size} bytes, more than ${MAX_JSON_BYTES}.`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.read(op, 0, file.size));
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError)
      return fail(op, `${path} is not valid JSON (${error.message}).`, undefined, error);
    throw error;
  }
}

export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
