import { Worker } from 'node:worker_threads';
import { Output, RequestError } from '@cria/inference';
import {
  type EngineSettings,
  type FromEngine,
  type ModelFacts,
  ownThread,
  type PlainError,
  type TextsRequest,
  type ThreadFile,
  type ToEngine,
} from './protocol.ts';

/** The engine broke, or could not start. Every request ends in this, and the server cannot go on. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure';
}

/** Texts that the engine has not said a word about yet. */
interface Starting {
  readonly outputs: readonly Output[];
  readonly accept: (outputs: readonly Output[]) => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * The HTTP thread's hold on the engine: requests go out, texts come back, nothing here ever waits
 * for a computation.
 */
export class EngineClient {
  /** Resolves when the engine breaks; never while it works. */
  readonly failed: Promise<EngineFailure>;
  #worker: Worker;
  #facts: ModelFacts | undefined;
  /** By the number of their first text. */
  #starting = new Map<number, Starting>();
  #texts = new Map<number, Output>();
  #whenIdle: (() => void)[] = [];
  #nextId = 0;
  #failure: EngineFailure | undefined;
  #closing: Promise<void> | undefined;

  /** Loads the model in a thread of its own. @throws EngineFailure with what was wrong */
  static async start(
    settings: EngineSettings,
    thread: ThreadFile = ownThread('engine-worker'),
  ): Promise<EngineClient> {
    const { promise: ready, resolve } = deferred<ModelFacts>();
    const client = new EngineClient(settings, thread, resolve);
    const first = await Promise.race([ready, client.failed]);
    if (first instanceof EngineFailure) throw first;
    client.#facts = first;
    return client;
  }

  private constructor(
    settings: EngineSettings,
    { url, execArgv }: ThreadFile,
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
    return this.#texts.size;
  }

  /**
   * Resolves when the engine has taken all of the texts, which it does or takes none; they then
   * come, those of the first prompt first, and `return()` cancels one. @throws RequestError for a
   * fault of the request, EngineFailure
   */
  generate(request: TextsRequest): Promise<readonly Output[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closing)
      return Promise.reject(new RequestError('engine_closed', 'engine', 'the server is stopping.'));
    const first = this.#nextId;
    const texts = request.prompts.length * request.n;
    this.#nextId += texts;
    const outputs = Array.from({ length: texts }, (_, i) => this.#newText(first + i));
    return new Promise((accept, refuse) => {
      this.#starting.set(first, { outputs, accept, refuse });
      this.#say({ type: 'generate', first, request });
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

  #newText(id: number): Output {
    const output = new Output();
    this.#texts.set(id, output);
    output.onEnd(() => {
      if (this.#forget(id)) this.#say({ type: 'cancel', id });
    });
    return output;
  }

  #receive(message: Exclude<FromEngine, { type: 'ready' | 'failed' }>): void {
    if (message.type === 'accepted' || message.type === 'refused') return this.#answerStart(message);
    const { id } = message;
    const output = this.#texts.get(id);
    if (!output) return; // cancelled meanwhile
    const last = message.type === 'broken' || message.chunk.finishReason !== undefined;
    if (last) this.#forget(id); // it is over there too: nothing to cancel
    if (message.type === 'chunk') output.push(message.chunk);
    else output.fail(fromPlain(message.error));
  }

  #answerStart(answer: Extract<FromEngine, { type: 'accepted' | 'refused' }>): void {
    const { first } = answer;
    const starting = this.#starting.get(first);
    if (!starting) return; // the engine failed meanwhile
    this.#starting.delete(first);
    const { outputs, accept, refuse } = starting;
    if (answer.type === 'accepted') return accept(outputs);
    outputs.forEach((_, i) => this.#forget(first + i));
    refuse(fromPlain(answer.error));
  }

  #fail(failure: EngineFailure): EngineFailure {
    this.#failure ??= failure;
    this.#endAll(this.#failure);
    return this.#failure;
  }

  #endAll(error: unknown): void {
    const [starting, texts] = [[...this.#starting.values()], [...this.#texts.values()]];
    this.#starting.clear();
    this.#texts.clear();
    for (const { refuse } of starting) refuse(error);
    for (const output of texts) output.fail(error);
    this.#noticeIdle();
  }

  #forget(id: number): boolean {
    const known = this.#texts.delete(id);
    this.#noticeIdle();
    return known;
  }

  #noticeIdle(): void {
    if (this.#texts.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function fromPlain({ code, message, param }: PlainError): Error {
  if (code === 'internal') return new Error(message);
  const [, op = 'engine', what = message] = /^\[([^\]]*)\] ([^]*)$/.exec(message) ?? [];
  return new RequestError(code, op, what, param === undefined ? {} : { param });
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
