import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { fail } from '@cria/tensor';
import { ApiError } from './errors.ts';

/** A key that clients may show. */
interface Key {
  /** SHA-256: of one length for every key, so that comparing tells nothing of it. */
  readonly digest: Buffer;
  /** Texts that it may have at a time. */
  readonly texts: number;
  /** What logs call it: never the key. */
  readonly name: string;
}

/** Milliseconds between two looks at the file. */
const RELOAD_INTERVAL = 1000;

/**
 * The API keys of a file, a line each: `KEY`, or `KEY texts=4` for one that may have four texts at a
 * time. Empty lines and those that begin with # say nothing. A changed file counts from the next
 * second on; one that cannot be read any more leaves the keys as they were.
 */
export class KeyRing {
  readonly #path: string;
  readonly #running = new Map<string, number>();
  #keys: readonly Key[];
  #stamp: string;
  #looked = 0;

  /** @throws CriaError for a file that cannot be read, or has no key or a wrong line */
  constructor(path: string) {
    this.#path = path;
    this.#stamp = stampOf(path);
    this.#keys = readKeys(path);
  }

  /** The name of a key's owner; undefined where nobody has it. Takes the same time for all that are wrong. */
  find(shown: string): Key | undefined {
    this.#reload();
    const digest = digestOf(shown);
    let found: Key | undefined;
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key;
    return found;
  }

  /**
   * Takes places for the texts of a request; returns how to give them back. @throws ApiError where
   * the key has no more
   */
  take({ name, texts }: Key, wanted: number): () => void {
    const running = this.#running.get(name) ?? 0;
    if (running + wanted > texts) {
      const message = `this key has ${running} texts on the way, and may have ${texts}. hint: try again later`;
      throw new ApiError(429, message, { code: 'key_limit', retryAfterMs: 1000 });
    }
    this.#running.set(name, running + wanted);
    return () => void this.#running.set(name, (this.#running.get(name) ?? 0) - wanted);
  }

  #reload(): void {
    const now = Date.now();
    if (now - this.#looked < RELOAD_INTERVAL) return;
    this.#looked = now;
    try {
      const stamp = stampOf(this.#path);
      if (stamp === this.#stamp) return;
      this.#keys = readKeys(this.#path);
      this.#stamp = stamp;
    } catch {
      // Half-written, or gone: whoever had a key has it still.
    }
  }
}

/** Who asks, by request; read where limits are. */
const owners = new WeakMap<object, Key>();

/** Closes every route but those that `isOpen` names, whether or not there is such a route. */
export function requireKeys(app: FastifyInstance, keys: KeyRing, isOpen: (path: string) => boolean): void {
  app.addHook('onRequest', (request, _, done) => {
    const path = request.url.split('?')[0] ?? '';
    const key = shownKey(request);
    const owner = key === undefined ? undefined : keys.find(key);
    if (owner) owners.set(request.raw, owner);
    if (owner || isOpen(path) || request.method === 'OPTIONS') return done();
    const what = key === undefined ? 'no API key was given' : 'the API key is not one of this server';
    const message = `${what}. hint: send the header Authorization: Bearer KEY`;
    done(new ApiError(401, message, { code: 'invalid_api_key' }));
  });
}

/** The key's name that a request showed, for logs. */
export function ownerOf(request: FastifyRequest): string | undefined {
  return owners.get(request.raw)?.name;
}

/** Takes the places of a request's texts from its key; harmless without one. @throws ApiError */
export function takePlaces(keys: KeyRing | undefined, request: FastifyRequest, texts: number): () => void {
  const owner = owners.get(request.raw);
  return keys && owner ? keys.take(owner, texts) : () => {};
}

/** As OpenAI's clients send it, or Anthropic's. */
function shownKey({ headers }: FastifyRequest): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  const other = headers['x-api-key'];
  return bearer ?? (typeof other === 'string' && other !== '' ? other : undefined);
}

function readKeys(path: string): readonly Key[] {
  const keys = readText(path)
    .split(/\r?\n/)
    .flatMap((line, i) => (/^\s*(#|$)/.test(line) ? [] : [readKey(path, line.trim(), i + 1)]));
  if (keys.length === 0) fail('cria-server', `${path} has no key.`, 'write one a line');
  return keys;
}

/** @throws CriaError that names the line, never what is on it */
function readKey(path: string, line: string, number: number): Key {
  const [, key, texts = 'Infinity'] = /^(\S+)(?:\s+texts=([1-9]\d{0,5}))?$/.exec(line) ?? [];
  if (key === undefined)
    return fail('cria-server', `line ${number} of ${path} is not a key.`, 'write KEY, or KEY texts=N');
  const digest = digestOf(key);
  return { digest, texts: Number(texts), name: digest.toString('hex').slice(0, 8) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return fail('cria-server', `cannot read the keys of ${path}.`, (error as Error).message, error);
  }
}

/** What changes with a file: a new one by rename has another inode, one written over another time. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : 'none';
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
