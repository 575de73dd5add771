import type { Chunks } from '@cria/files';

/** A source that was begun: its chunks, the first of which is being made. */
interface Begun {
  readonly iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly first: Promise<IteratorResult<Uint8Array>>;
}

/**
 * Streams of chunks one after the other. The first chunk of each is asked for while the stream
 * before it is taken, so that whoever makes chunks need not stand still between two of them.
 */
export class ChunksAhead {
  readonly #sources: IterableIterator<() => Chunks>;
  #current: Begun | undefined;
  #next: Begun | undefined;

  constructor(sources: readonly (() => Chunks)[]) {
    this.#sources = sources.values();
    this.#next = this.#begin();
  }

  /** The chunks of the next source. */
  async *take(): AsyncGenerator<Uint8Array> {
    const current = this.#next;
    if (!current) return;
    this.#current = current;
    this.#next = this.#begin();
    for (let step = await current.first; !step.done; step = await current.iterator.next()) yield step.value;
  }

  /** Ends what was begun and not taken to its end. */
  async close(): Promise<void> {
    await this.#current?.iterator.return?.();
    await this.#next?.first.catch(() => undefined); // nobody will take it, so nobody hears of it
    await this.#next?.iterator.return?.();
  }

  #begin(): Begun | undefined {
    const source = this.#sources.next();
    if (source.done) return undefined;
    const chunks = source.value();
    const iterator =
      Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
    const first = Promise.resolve(iterator.next());
    first.catch(() => undefined); // reported when its turn comes
    return { iterator, first };
  }
}
