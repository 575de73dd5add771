import type { PrepareOptions, PrepareProgress } from './options.ts';
import type { FoundFile } from './walk.ts';

/** Tells how far it is, and lets timers and signals through. */
export class Progress {
  readonly #options: PrepareOptions;
  readonly #totalFiles: number;
  readonly #totalBytes: number;
  #source = '';
  #files = 0;
  #bytes = 0;
  #documents = 0;
  #tokens = 0;
  /** Calls of `tick` until the event loop gets its turn. */
  #untilPause = 0;

  constructor(options: PrepareOptions, found: readonly { readonly files: readonly FoundFile[] }[]) {
    const files = found.flatMap((entry) => entry.files);
    this.#options = options;
    this.#totalFiles = files.length;
    this.#totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** A file is begun. Both limits hold where one is read again, for its head. */
  async file(source: string, { bytes }: FoundFile): Promise<void> {
    this.#source = source;
    this.#files = Math.min(this.#files + 1, this.#totalFiles);
    this.#bytes = Math.min(this.#bytes + bytes, this.#totalBytes);
    await this.tick();
  }

  add(documents: number, tokens: number): void {
    this.#documents += documents;
    this.#tokens += tokens;
  }

  /** Between documents: a pause at each would cost more than most of them. */
  async tick(): Promise<void> {
    if (this.#untilPause-- > 0) return;
    this.#untilPause = 16;
    this.#options.onProgress?.(this.#state());
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
  }

  #state(): PrepareProgress {
    return {
      source: this.#source,
      files: this.#files,
      totalFiles: this.#totalFiles,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
      documents: this.#documents,
      tokens: this.#tokens,
    };
  }
}
