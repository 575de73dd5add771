import { Worker } from 'node:worker_threads';
import { type GenerationRequest, Output, RequestError } from '@cria/inference';
import type { EngineSettings, FromEngine, ModelFacts, PlainError, ToEngine } from './protocol.ts';

/** Where the engine's thread starts. */
export interface EngineThread {
  readonly url: URL;
  /** Options of Node for the thread; default those of this process. */
  readonly execArgv?: readonly string[];
}

/** The engine broke, or could not start. Every request ends in this, and the server cannot go on. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure';
}

interface Pending {
  readonly output: Output;
  readonly accept: () => void;
  readonly refuse: (error: unknown) => void;
}

/** Built code starts the built thread, sources start the source. */
const ownThread: EngineThread = {
  url: new URL(`./engine-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
};

/** The HTTP thread's hold on the engine: requests go out, texts come back, nothing here ever waits for a computation. */
export class EngineClient {
  /** Resolves when the engine breaks; never while it works. */
  readonly failed: Promise<EngineFailure>;
  #worker: Worker;
  #facts: ModelFacts | undefined;
  #pending = new Map<number, Pending>();
  #whenIdle: (() => void)[] = [];
  #nextId = 0;
  #failure: EngineFailure | undefined;
  #closing: Promise<void> | undefined;

  /** Loads the model in a thread of its own. @throws EngineFailure with what was wrong */
  static async start(settings: EngineSettings, thread: EngineThread = ownThread): Promise<EngineClient> {
    const { promise: ready, resolve } = deferred<ModelFacts>();
    const client = new EngineClient(settings, thread, resolve);
    const first = await Promise.race([ready, client.failed]);
    if (first instanceof EngineFailure) throw first;
    client.#facts = first;
    return client;
  }

  private constructor(
    settings: EngineSettings,
    { url, execArgv }: EngineThread,
    ready: (facts: ModelFacts) => void,
  ) {
    const worker = new Worker(url, { workerData: settings, ...(execArgv && { execArgv: [...execArgv] }) });
    const { promise, resolve } = deferred<EngineFailure>();
    const fail = (message: string) => resolve(this.#fail(new EngineFailure(message)));
    this.failed = promise;
    this.#worker = worker;
    worker.on('message', (message: FromEngine) => {
      if (message.type === 'ready') ready(message.facts);
      else if (message.type === 'failed') fail(message.message);
      else this.#receive(message);
    });
    worker.on('error', (error) => fail(`[engine] its thread crashed: ${error.message}`));
    worker.on('exit', (code) => this.#closing || fail(`[engine] its thread ended with code ${code}.`));
  }

  /** About the model that is served. */
  get facts(): ModelFacts {
    if (!this.#facts)
      throw new EngineFailure('[engine] it is not ready. hint: wait for EngineClient.start()');
    return this.#facts;
  }

  /** Texts that are being made or wait. */
  get active(): number {
    return this.#pending.size;
  }

  /**
   * Resolves when the engine has taken the request; the text then comes, and `return()` cancels it.
   * @throws RequestError for a fault of the request, EngineFailure
   */
  generate(request: Omit<GenerationRequest, 'signal'>): Promise<Output> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closing)
      return Promise.reject(new RequestError('engine_closed', 'engine', 'the server is stopping.'));
    const id = this.#nextId++;
    const output = new Output();
    output.onEnd(() => {
      if (this.#forget(id)) this.#say({ type: 'cancel', id });
    });
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { output, accept: () => resolve(output), refuse: reject });
      this.#say({ type: 'generate', id, request });
    });
  }

  /** Resolves when no text is being made or waits. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
      this.#noticeIdle();
    });
  }

  /** Ends everything that still runs, and the thread. */
  close(): Promise<void> {
    return (this.#closing ??= this.#shutDown());
  }

  async #shutDown(): Promise<void> {
    if (this.#failure) return void (await this.#worker.terminate());
    const gone = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#say({ type: 'close' });
    await gone;
    this.#endAll(new RequestError('engine_closed', 'engine', 'the server stopped.'));
  }

  #say(message: ToEngine): void {
    this.#worker.postMessage(message);
  }

  #receive(message: Exclude<FromEngine, { type: 'ready' | 'failed' }>): void {
    const { id } = message;
    const pending = this.#pending.get(id);
    if (!pending) return; // cancelled meanwhile
    if (message.type === 'accepted') return pending.accept();
    if (message.type === 'chunk') {
      // It is over there too: nothing to cancel.
      if (message.chunk.finishReason) this.#forget(id);
      return pending.output.push(message.chunk);
    }
    this.#forget(id);
    const error = fromPlain(message.error);
    pending.refuse(error);
    pending.output.fail(error);
  }

  #fail(failure: EngineFailure): EngineFailure {
    this.#failure ??= failure;
    this.#endAll(this.#failure);
    return this.#failure;
  }

  #endAll(error: unknown): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { output, refuse } of all) {
      refuse(error);
      output.fail(error);
    }
    this.#noticeIdle();
  }

  #forget(id: number): boolean {
    const known = this.#pending.delete(id);
    this.#noticeIdle();
    return known;
  }

  #noticeIdle(): void {
    if (this.#pending.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function fromPlain({ code, message, param }: PlainError): Error {
  if (code === 'internal') return new EngineFailure(message);
  const [, op = 'engine', what = message] = /^\[([^\]]*)\] ([^]*)$/.exec(message) ?? [];
  return new RequestError(code, op, what, param === undefined ? {} : { param });
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
