import { fail } from '@cria/tensor';
import type { GgufMetadata, GgufScalar } from '@cria/tokenizer';

/** A value by key; undefined where it is absent, refused where it has another type. */
export function entryValue(
  op: string,
  file: string,
  metadata: GgufMetadata,
  key: string,
  kind: 'number' | 'string' | 'boolean',
): GgufScalar | undefined {
  const entry = metadata.get(key);
  if (!entry) return undefined;
  if (entry.type === 'array' || typeof entry.value !== kind)
    fail(op, `${file}: ${key} is ${entry.type}.`, `it must be a ${kind}`);
  return entry.value;
}
