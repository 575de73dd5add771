import { Worker } from 'node:worker_threads';
import { type Embedding, type IdChunk, type Output, RequestError, type TextReader } from '@cria/inference';
import { GrammarCompiler } from './grammar/grammar-compiler.ts';
import { loadModelTokenizer } from './load-model.ts';
import { PromptEncoder } from './prompt-encoder.ts';
import {
  type EngineFile,
  type EngineSettings,
  type FromEngine,
  type ModelFacts,
  ownThread,
  type PlainError,
  type TextsRequest,
  type ToEngine,
  type VectorsRequest,
} from './protocol.ts';
import { outputsOf, TextSide } from './text-side.ts';

/** The engine broke, or could not start. Every request ends in this, and the server cannot go on. */
export class EngineFailure extends Error {
  override readonly name = 'EngineFailure';
}

/** Texts that the engine has taken. */
export interface TakenTexts {
  /** Those of the first prompt first. */
  readonly outputs: readonly Output[];
  /** Ids of each prompt. */
  readonly prompts: readonly ArrayLike<number>[];
}

/** Who waits for a vector. */
interface VectorReader {
  /** It came, which is the end. */
  take(embedding: Embedding): void;
  /** It does not come: the engine broke, refused it, or nobody wants it any more. */
  fail(error: unknown): void;
}

/** Texts that the engine has not said a word about yet. */
interface Starting {
  readonly texts: number;
  readonly accept: () => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * The HTTP thread's hold on the engine: ids go out and come back, texts are made of them here, and
 * nothing here ever waits for a computation.
 */
export class EngineClient {
  /** Resolves when the engine breaks; never while it works. */
  readonly failed: Promise<EngineFailure>;
  #worker: Worker;
  #settings: EngineSettings;
  #facts: ModelFacts | undefined;
  #side: TextSide | undefined;
  #grammars: GrammarCompiler;
  /** By the number of their first text. */
  #starting = new Map<number, Starting>();
  #texts = new Map<number, TextReader>();
  /** Prompts whose vectors are awaited. */
  #vectors = new Map<number, VectorReader>();
  /** Texts whose prompts are still encoded, or whose grammars are compiled. */
  #encoding = 0;
  #whenIdle: (() => void)[] = [];
  #nextId = 0;
  #failure: EngineFailure | undefined;
  #closing: Promise<void> | undefined;

  /** Loads the model in a thread of its own, and its vocabulary here. @throws EngineFailure with what was wrong */
  static async start(
    settings: EngineSettings,
    file: EngineFile = ownThread('engine-worker'),
  ): Promise<EngineClient> {
    const { promise: ready, resolve } = deferred<ModelFacts>();
    const client = new EngineClient(settings, file, resolve);
    const { tokenizer: load = loadModelTokenizer, prompts = ownThread('prompt-worker') } = file;
    const tokenizer = load(settings);
    tokenizer.catch(() => {}); // what the engine says of the same files comes first
    const first = await Promise.race([ready, client.failed]);
    if (first instanceof EngineFailure) throw first;
    client.#facts = first;
    const encoder = new PromptEncoder(prompts, settings);
    client.#side = new TextSide(await tokenizer, encoder, first.contextLength);
    return client;
  }

  private constructor(
    settings: EngineSettings,
    { url, execArgv, grammars = ownThread('grammar-worker') }: EngineFile,
    ready: (facts: ModelFacts) => void,
  ) {
    this.#settings = settings;
    this.#grammars = new GrammarCompiler(grammars);
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
    return this.#texts.size + this.#vectors.size;
  }

  /**
   * Resolves when the engine has taken all of the texts, which it does or takes none; they then
   * come, those of the first prompt first, and `return()` cancels one. @throws RequestError for a
   * fault of the request, EngineFailure
   */
  async generate(request: TextsRequest): Promise<TakenTexts> {
    const side = this.#openSide();
    const coming = request.prompts.length * request.n;
    const long = side.isLong(request);
    if (long || request.grammar) this.#refuseMoreThanMay(coming);
    this.#encoding += coming;
    const [prepared, grammar] = await Promise.all([
      side.prepare(request, long),
      request.grammar && this.#grammars.compile(request.grammar),
    ]).finally(() => (this.#encoding -= coming));
    this.#openSide();
    const first = this.#number(coming);
    prepared.readers.forEach((reader, i) => this.#add(first + i, reader));
    // Its texts are one party among those that want something, unless it says who asks.
    const options = { share: `request ${first}`, ...prepared.request.options };
    const asked = { ...prepared.request, options, ...(grammar && { grammar }) };
    await this.#started(coming, { type: 'generate', first, request: asked });
    return { outputs: outputsOf(prepared), prompts: prepared.request.prompts };
  }

  /** The vectors of the prompts, in their order; `signal` gives up. @throws RequestError, EngineFailure */
  async embed(request: VectorsRequest, signal: AbortSignal): Promise<readonly Embedding[]> {
    const side = this.#openSide();
    const coming = request.prompts.length;
    const long = side.isLong(request);
    if (long) this.#refuseMoreThanMay(coming);
    this.#encoding += coming;
    const prepared = await side.prepareVectors(request, long).finally(() => (this.#encoding -= coming));
    this.#openSide();
    signal.throwIfAborted();
    const first = this.#number(coming);
    const vectors = Promise.all(prepared.prompts.map((_, i) => this.#awaitVector(first + i)));
    vectors.catch(() => {}); // a refusal is told below
    const giveUp = () => this.#giveUp(first, coming, signal.reason);
    signal.addEventListener('abort', giveUp);
    try {
      const options = { share: `request ${first}`, ...prepared.options };
      await this.#started(coming, { type: 'embed', first, request: { ...prepared, options } });
      return await vectors;
    } catch (error) {
      this.#giveUp(first, coming, error); // where one fails, nobody waits for the others
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** The vector of one prompt, when the engine has it. */
  #awaitVector(id: number): Promise<Embedding> {
    return new Promise((take, fail) => this.#vectors.set(id, { take, fail }));
  }

  /** Ends the waiting for so many vectors, here and in the engine; those that came are left alone. */
  #giveUp(first: number, count: number, reason: unknown): void {
    for (let id = first; id < first + count; id++) {
      const reader = this.#vectors.get(id);
      if (!this.#forget(id)) continue;
      this.#say({ type: 'cancel', id });
      reader?.fail(reason);
    }
  }

  /** The number of the first of so many. */
  #number(count: number): number {
    this.#nextId += count;
    return this.#nextId - count;
  }

  /** Resolves when the engine has taken what it is asked for. @throws RequestError, EngineFailure */
  #started(texts: number, message: Extract<ToEngine, { first: number }>): Promise<void> {
    return new Promise((accept, refuse) => {
      this.#starting.set(message.first, { texts, accept, refuse });
      this.#say(message);
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
    await this.#side?.close();
    await this.#grammars.close();
    if (this.#failure) return void (await this.#worker.terminate());
    const gone = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#say({ type: 'close' });
    await gone;
    this.#endAll(new RequestError('engine_closed', 'engine', 'the server stopped.'));
  }

  /** The texts' side, where the engine takes work. @throws EngineFailure, RequestError */
  #openSide(): TextSide {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new RequestError('engine_closed', 'engine', 'the server is stopping.');
    if (!this.#side) throw new EngineFailure('[engine] it is not ready. hint: wait for EngineClient.start()');
    return this.#side;
  }

  /** Who waits for the encoder is not in the engine's queue yet, but takes a place in it. */
  #refuseMoreThanMay(coming: number): void {
    const active = this.active + this.#encoding;
    const { maxSequences, maxWaiting } = this.#settings;
    if (active + coming <= maxSequences + maxWaiting) return;
    const what = `${active} texts are running or waiting, and ${coming} more are too many.`;
    throw new RequestError('queue_full', 'engine', what, { hint: 'try again later' });
  }

  #say(message: ToEngine): void {
    this.#worker.postMessage(message);
  }

  #add(id: number, reader: TextReader): void {
    this.#texts.set(id, reader);
    reader.output.onEnd(() => {
      if (this.#forget(id)) this.#say({ type: 'cancel', id });
    });
  }

  #receive(message: Exclude<FromEngine, { type: 'ready' | 'failed' }>): void {
    if (message.type !== 'step') return this.#answerStart(message);
    for (const [id, chunk] of message.chunks) {
      const reader = this.#texts.get(id); // undefined: cancelled meanwhile
      if (chunk.finishReason) this.#forget(id); // it is over there too: nothing to cancel
      if (reader) this.#take(reader, chunk);
    }
    for (const [id, embedding] of message.vectors) {
      const reader = this.#vectors.get(id);
      this.#forget(id);
      reader?.take(embedding);
    }
    for (const [id, error] of message.broken) {
      const reader = this.#texts.get(id) ?? this.#vectors.get(id);
      this.#forget(id);
      reader?.fail(fromPlain(error));
    }
  }

  /** A text that cannot be made of its ids ends alone. */
  #take(reader: TextReader, chunk: IdChunk): void {
    try {
      reader.take(chunk);
    } catch (error) {
      reader.fail(error);
    }
  }

  #answerStart(answer: Extract<FromEngine, { type: 'accepted' | 'refused' }>): void {
    const { first } = answer;
    const starting = this.#starting.get(first);
    if (!starting) return; // the engine failed meanwhile
    this.#starting.delete(first);
    const { texts, accept, refuse } = starting;
    if (answer.type === 'accepted') return accept();
    for (let i = 0; i < texts; i++) this.#forget(first + i);
    refuse(fromPlain(answer.error));
  }

  #fail(failure: EngineFailure): EngineFailure {
    this.#failure ??= failure;
    this.#endAll(this.#failure);
    return this.#failure;
  }

  #endAll(error: unknown): void {
    const starting = [...this.#starting.values()];
    const readers = [...this.#texts.values(), ...this.#vectors.values()];
    this.#starting.clear();
    this.#texts.clear();
    this.#vectors.clear();
    for (const { refuse } of starting) refuse(error);
    for (const reader of readers) reader.fail(error);
    this.#noticeIdle();
  }

  #forget(id: number): boolean {
    const known = this.#texts.delete(id) || this.#vectors.delete(id);
    this.#noticeIdle();
    return known;
  }

  #noticeIdle(): void {
    if (this.active === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
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
