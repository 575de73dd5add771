import type { Tokenizer } from '@cria/tokenizer';
import { invalidField, RequestError } from '../request-error.ts';

/** llama.cpp's. */
export const DEFAULT_BREAKERS: readonly string[] = ['\n', ':', '"', '*'];

/**
 * Of a request's sequence breakers: how many, of how many characters all texts, and of how many ids
 * each list.
 */
export const breakerLimits = { breakers: 32, characters: 64, ids: 20 } as const;

type Breakers = readonly (string | readonly number[])[];

/** @throws RequestError */
export function checkBreakers(op: string, breakers: Breakers, textsToo: boolean): void {
  const { breakers: most, characters, ids } = breakerLimits;
  const given: unknown = breakers;
  const what =
    `a list of up to ${most} texts, none empty, of ${characters} characters together, ` +
    `or lists of 1 to ${ids} ids`;
  if (!Array.isArray(given) || given.length > most)
    throw invalidField(op, 'drySequenceBreakers', given, what);
  const texts = (given as unknown[]).filter((each) => typeof each === 'string');
  if (texts.join('').length > characters) throw invalidField(op, 'drySequenceBreakers', given, what);
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

/**
 * Sequences of ids that break repetitions: lists as they are, and every way in which ids can spell
 * a text.
 */
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
 * Each id whose bytes hold the text, alone; each id that ends with a beginning of it, followed by
 * the ids of the rest. That is what llama.cpp looks for.
 */
function search(text: string, tokenizer: Tokenizer): (readonly number[])[] {
  const pieces = piecesOf(tokenizer);
  const wanted = new TextEncoder().encode(text);
  const whole = pieces.idsWith(latin1(wanted));
  const found = [...whole].map((id): readonly number[] => [id]);
  for (let length = 1; length < wanted.length; length++) {
    const rest = new TextDecoder().decode(wanted.subarray(length));
    const ids = tokenizer.encode(rest).subarray(0, breakerLimits.ids);
    for (const id of pieces.idsWith(latin1(wanted.subarray(0, length)) + SEPARATOR))
      if (!whole.has(id)) found.push([id, ...ids]);
  }
  return found;
}

/** No byte. */
const SEPARATOR = '\u0100';

const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/**
 * The bytes of every id in one string, to be searched by the engine's own `indexOf`: a millisecond
 * for a hundred thousand ids.
 */
class Pieces {
  readonly #starts: Int32Array;
  readonly #all: string;

  constructor(tokenizer: Tokenizer) {
    this.#starts = new Int32Array(tokenizer.vocabSize);
    const parts: string[] = [];
    let at = 0;
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const part = latin1(tokenizer.tokenBytes(id)) + SEPARATOR;
      this.#starts[id] = at;
      at += part.length;
      parts.push(part);
    }
    this.#all = parts.join('');
  }

  idsWith(wanted: string): Set<number> {
    const found = new Set<number>();
    let id = 0;
    for (let at = this.#all.indexOf(wanted); at >= 0; at = this.#all.indexOf(wanted, at + 1)) {
      while (id + 1 < this.#starts.length && this.#starts[id + 1]! <= at) id++;
      found.add(id);
    }
    return found;
  }
}

const knownPieces = new WeakMap<Tokenizer, Pieces>();

function piecesOf(tokenizer: Tokenizer): Pieces {
  const pieces = knownPieces.get(tokenizer) ?? new Pieces(tokenizer);
  knownPieces.set(tokenizer, pieces);
  return pieces;
}
