import type { Tokenizer } from '@cria/tokenizer';
import { invalidField, RequestError } from '../request-error.ts';

/** llama.cpp's. */
export const DEFAULT_BREAKERS: readonly string[] = ['\n', ':', '"', '*'];

/** Of a request's sequence breakers: how many, and how long each may be. A vocabulary is searched for every text. */
export const breakerLimits = { breakers: 32, characters: 40, ids: 20 } as const;

type Breakers = readonly (string | readonly number[])[];

/** @throws RequestError */
export function checkBreakers(op: string, breakers: Breakers, textsToo: boolean): void {
  const { breakers: most, characters, ids } = breakerLimits;
  const given: unknown = breakers;
  const what = `a list of up to ${most} texts of 1 to ${characters} characters, or lists of 1 to ${ids} ids`;
  if (!Array.isArray(given) || given.length > most)
    throw invalidField(op, 'drySequenceBreakers', given, what);
  for (const each of given as unknown[]) {
    const limit = typeof each === 'string' ? characters : Array.isArray(each) ? ids : 0;
    const { length } = limit > 0 ? (each as string | unknown[]) : []; // one of the two
    const whole = Array.isArray(each) ? each.every((id) => Number.isInteger(id) && id >= 0) : true;
    if (length === 0 || length > limit || !whole) throw invalidField(op, 'drySequenceBreakers', each, what);
    if (typeof each === 'string' && !textsToo)
      throw new RequestError('invalid_request', op, 'drySequenceBreakers has a text.', {
        hint: 'without a tokenizer, give lists of ids',
        param: 'drySequenceBreakers',
      });
  }
}

const known = new WeakMap<Tokenizer, Map<string, readonly (readonly number[])[]>>();
const MOST_KNOWN = 256;

/** Sequences of ids that break repetitions: lists as they are, and every way in which ids can spell a text. */
export function breakersOf(breakers: Breakers, tokenizer: Tokenizer | undefined): (readonly number[])[] {
  return breakers.flatMap((each) => {
    if (typeof each !== 'string') return [each];
    return tokenizer ? sequencesOf(each, tokenizer) : [];
  });
}

function sequencesOf(text: string, tokenizer: Tokenizer): readonly (readonly number[])[] {
  const of = known.get(tokenizer) ?? new Map<string, readonly (readonly number[])[]>();
  known.set(tokenizer, of);
  const found = of.get(text) ?? search(text, tokenizer);
  if (of.size < MOST_KNOWN) of.set(text, found);
  return found;
}

/**
 * Each id whose bytes hold the text, alone; each id that ends with a beginning of it, followed by the ids of the rest. That is what
 * llama.cpp looks for.
 */
function search(text: string, tokenizer: Tokenizer): (readonly number[])[] {
  const wanted = new TextEncoder().encode(text);
  const decoder = new TextDecoder();
  const found: (readonly number[])[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const bytes = tokenizer.tokenBytes(id);
    if (contains(bytes, wanted)) found.push([id]);
    else
      for (const rest of restsOf(bytes, wanted)) {
        const ids = tokenizer.encode(decoder.decode(rest)).subarray(0, breakerLimits.ids);
        found.push([id, ...ids]);
      }
  }
  return found;
}

function contains(bytes: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = 0; at + wanted.length <= bytes.length; at++)
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return true;
  return false;
}

/** What is missing of the wanted bytes behind these. */
function restsOf(bytes: Uint8Array, wanted: Uint8Array): Uint8Array[] {
  const rests: Uint8Array[] = [];
  for (let length = 1; length < wanted.length && length <= bytes.length; length++) {
    const tail = bytes.subarray(bytes.length - length);
    if (tail.every((byte, i) => wanted[i] === byte)) rests.push(wanted.subarray(length));
  }
  return rests;
}
