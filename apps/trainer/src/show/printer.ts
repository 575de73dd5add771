import { CriaError } from '@cria/tensor';
import type { Output } from './progress.ts';

/** Nobody reads what a command prints any more: it ends, in good order and without a word. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** What a pipe, a terminal or a socket says when its other end is closed. */
const GONE = ['EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'];

/**
 * A stream to print to that survives its reader. When that leaves (`cria … | head`), the next
 * `write` throws `ReaderGone`, which unwinds a command through its own cleaning up; a command that
 * must end otherwise (a run saves first) says so with `onClose`, and its writes are dropped. Any
 * other failure of the stream, a full disk say, is the error of the next `write`.
 */
export class Printer implements Output {
  #stream: NodeJS.WriteStream;
  #failure: Error | undefined;
  #listeners = new Set<() => void>();

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#failure) return;
      this.#failure = GONE.includes(error.code ?? '')
        ? new ReaderGone('nobody reads')
        : new CriaError('cria', `cannot print: ${error.message}.`, undefined, { cause: error });
      for (const listener of this.#listeners) listener();
    });
  }

  get isTTY(): boolean {
    return this.#stream.isTTY;
  }

  get columns(): number {
    return this.#stream.columns;
  }

  /** Why nothing can be printed any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  write(text: string): void {
    if (!this.#failure) this.#stream.write(text);
    else if (this.#listeners.size === 0) throw this.#failure;
  }

  onClose(listener: () => void): Disposable {
    this.#listeners.add(listener);
    if (this.#failure) listener();
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
