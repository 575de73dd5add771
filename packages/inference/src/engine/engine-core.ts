import { fail } from '@cria/tensor';
import type { Llama } from '@cria/layers';
import { BlockCache } from '../cache/block-cache.ts';
import { BlockPool } from '../cache/block-pool.ts';
import { bytesPerBlock, checkCacheDType, KeyValueBlocks } from '../cache/key-value-blocks.ts';
import { RequestError } from '../request-error.ts';
import { checkChosen, Sampler } from '../sample/sampler.ts';
import { Scheduler, type Turn } from '../schedule/scheduler.ts';
import { EmbedText } from '../sequence/embed-text.ts';
import {
  checkIds,
  checkPool,
  checkStanding,
  checkWanted,
  type EmbedRequest,
  type IdRequest,
  type Standing,
  tooLong,
} from '../sequence/id-request.ts';
import { IdText, type RowShape } from '../sequence/id-text.ts';
import type { Embedding, IdChunk, Reader } from '../sequence/results.ts';
import type { SequenceOptions } from '../sequence/sequence.ts';
import { type DraftFigures, Drafting } from '../speculate/drafting.ts';
import { type EngineCoreOptions, type ResolvedLimits, resolveLimits, resolveSpeculation } from './options.ts';
import { Passes, type TurnResult, type Work } from './step.ts';

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  /** Tokens of those that wait. */
  readonly waitingTokens: number;
  readonly blocks: number;
  /** Blocks that nobody uses; what some of them hold is kept for who may want it. */
  readonly freeBlocks: number;
  readonly keptBlocks: number;
  /** Memory of the cache, all blocks together. */
  readonly cacheBytes: number;
  /** Passes through the model so far. */
  readonly steps: number;
  /** Tokens that went through the model so far. */
  readonly computedTokens: number;
  /** Tokens that were found in the cache instead. */
  readonly cachedTokens: number;
  /** How often a sequence lost its blocks, to be computed again. */
  readonly preemptions: number;
  /** Ids that were tried on a guess, and those of them that were right. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
}

/** Logits that one step reads at most for the log-probabilities of one prompt: 16 MiB. */
const MOST_LOGITS = 2 ** 22;

/**
 * Continues many texts at once with one model, in ids. Requests join and leave between steps; what a
 * request yields depends on the request and the model alone, not on the others, on preemption, on
 * what is in the cache or on any limit here (on devices that are `batchInvariant`). What goes wrong
 * with one text ends that text; only a pass through the model that fails ends the engine. It owns
 * its cache, not the model; `close()` it before the model goes.
 */
export class EngineCore implements AsyncDisposable {
  /** Tokens that prompt and text can have together. */
  readonly contextLength: number;
  /** Ids that are chosen from. */
  readonly vocabSize: number;
  readonly #limits: ResolvedLimits;
  readonly #row: RowShape;
  readonly #model: Llama;
  readonly #eosIds: ReadonlySet<number>;
  readonly #clock: () => number;
  readonly #cacheBytes: number;
  readonly #scheduler: Scheduler<Work>;
  readonly #cache: KeyValueBlocks;
  readonly #passes: Passes;
  readonly #sampler: Sampler;
  readonly #speculation: ReturnType<typeof resolveSpeculation>;
  readonly #drafts: DraftFigures = { drafted: 0, accepted: 0 };
  #computedTokens = 0;
  #loop: Promise<void> | undefined;
  #closed: { readonly cause?: unknown } | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineCoreOptions) {
    const limits = resolveLimits('engine', options);
    const { model, eosIds = [], dtype = 'f32', clock = () => performance.now() / 1000 } = options;
    const { config, device } = model;
    const { vocabSize = config.vocabSize, prefixCache = device.determinism === 'batchInvariant' } = options;
    if (!(Number.isInteger(vocabSize) && vocabSize >= 1 && vocabSize <= config.vocabSize))
      fail('engine', `vocabSize is ${vocabSize}.`, `the model has ${config.vocabSize} ids`);
    if (options.cacheDType !== undefined) checkCacheDType('engine', options.cacheDType, config);
    const { blockSize, maxSequences } = limits;
    const shape = { layers: model.blocks, blockSize, dtype: options.cacheDType ?? dtype };
    const wholeContexts = maxSequences * Math.ceil(config.contextLength / blockSize);
    const blocks = limits.blocks ?? Math.min(wholeContexts, Math.floor(limits.memory / bytesPerBlock(shape)));
    if (blocks < 1) {
      const hint = `one block of ${blockSize} tokens takes ${bytesPerBlock(shape)} bytes`;
      fail('engine', `a cache of ${blocks} blocks.`, hint);
    }
    this.#limits = limits;
    this.#speculation = resolveSpeculation('engine', options.speculate);
    this.#model = model;
    this.#eosIds = new Set(eosIds);
    this.#clock = clock;
    this.#cacheBytes = blocks * bytesPerBlock(shape);
    const pool = new BlockPool(blocks, blockSize);
    this.#scheduler = new Scheduler(new BlockCache(pool, prefixCache ? undefined : null), limits);
    this.#cache = new KeyValueBlocks(device, blocks, shape);
    this.#sampler = new Sampler(vocabSize);
    this.#passes = new Passes(model, dtype, this.#cache, this.#sampler);
    this.vocabSize = vocabSize;
    this.#row = { stride: config.vocabSize, width: vocabSize };
    this.contextLength = Math.min(config.contextLength, this.#scheduler.maxTokens);
  }

  /** Why the engine ended by itself: a pass through the model failed. Undefined while it works, and after `close()`. */
  get failure(): unknown {
    return this.#closed?.cause;
  }

  get stats(): EngineStats {
    const { running, waiting, cache, cachedTokens, preemptions } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.size,
      waitingTokens: waiting.tokens,
      blocks: cache.pool.size,
      freeBlocks: cache.pool.freeCount,
      keptBlocks: cache.keptBlocks,
      cacheBytes: this.#cacheBytes,
      steps: this.#passes.count,
      computedTokens: this.#computedTokens,
      cachedTokens,
      preemptions,
      draftedTokens: this.#drafts.drafted,
      acceptedTokens: this.#drafts.accepted,
    };
  }

  /**
   * Queues a request; what comes of it goes to its reader, step by step. The work starts at once.
   * @returns cancels it: nothing more comes  @throws RequestError for anything wrong with it, or with a full queue
   */
  generate(request: IdRequest, reader: Reader<IdChunk>): () => void {
    const op = 'engine.generate';
    this.checkOpen(op);
    checkIds(op, request.ids, this.vocabSize);
    checkWanted(op, request);
    const room = this.contextLength - request.ids.length;
    if (room < Math.min(1, request.maxTokens))
      throw tooLong(op, `${request.ids.length} tokens`, this.contextLength);
    const options = {
      ...this.#standing(op, request, request.ids.length),
      ...(request.promptLogProbabilities !== undefined && {
        mostRows: Math.max(1, Math.floor(MOST_LOGITS / this.#model.config.vocabSize)),
      }),
    };
    const limited = { ...request, maxTokens: Math.min(request.maxTokens, room) };
    const text = new IdText(limited, reader, this.#eosIds, options, this.#newDrafting());
    if (!text.wantsNothing) return this.#start(text);
    text.finishEmpty();
    return () => {};
  }

  /** The same for the vector of a prompt. */
  embed(request: EmbedRequest, reader: Reader<Embedding>): () => void {
    const op = 'engine.embed';
    this.checkOpen(op);
    checkIds(op, request.ids, this.vocabSize);
    checkPool(op, request.pool);
    const { length } = request.ids;
    if (length > this.contextLength) throw tooLong(op, `${length} tokens`, this.contextLength);
    const options = this.#standing(op, request, length);
    return this.#start(new EmbedText(request, reader, this.#model.config.dim, options));
  }

  /** @throws RequestError where the engine takes nothing more */
  checkOpen(op: string): void {
    if (this.#closed) throw new RequestError('engine_closed', op, 'the engine is closed.', this.#closed);
  }

  /** @throws RequestError when so many texts more, of so many tokens together, cannot wait */
  checkQueue(op: string, texts: number, tokens: number): void {
    const { running, waiting } = this.#scheduler;
    const { maxSequences, maxWaiting, maxWaitingTokens } = this.#limits;
    const active = running.length + waiting.size;
    const hint = 'try again later';
    if (active + texts > maxSequences + maxWaiting) {
      const what = `${active} requests are running or waiting, and ${texts} more are too many: ${maxSequences} run and ${maxWaiting} wait.`;
      throw new RequestError('queue_full', op, what, { hint });
    }
    if (waiting.size > 0 && waiting.tokens + tokens > maxWaitingTokens) {
      const what = `${waiting.tokens} tokens are waiting, and ${tokens} more are too many: ${maxWaitingTokens} may wait.`;
      throw new RequestError('queue_full', op, what, { hint });
    }
  }

  /** Ends everything that still runs with an error, waits for the step under way, and frees the cache. */
  close(): Promise<void> {
    return (this.#closing ??= this.#shutDown());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    if (!this.#closed)
      this.#end(new RequestError('engine_closed', 'engine.close', 'the engine was closed.'), {});
    await this.#loop;
    this.#cache.free();
  }

  #standing(op: string, standing: Standing, tokens: number): SequenceOptions {
    checkStanding(op, standing);
    this.checkQueue(op, 1, tokens);
    const { priority = 0, share, cacheSalt = '', waitSeconds = this.#limits.queueSeconds } = standing;
    const deadline = waitSeconds === Infinity ? Infinity : this.#clock() + waitSeconds;
    return { priority, salt: cacheSalt, deadline, ...(share !== undefined && { share }) };
  }

  #newDrafting(): Drafting | undefined {
    const speculation = this.#speculation;
    return speculation && new Drafting(speculation.proposer, speculation.tokens, this.#drafts);
  }

  #start(work: Work): () => void {
    this.#scheduler.add(work);
    this.#loop ??= this.#run();
    return () => this.#scheduler.remove(work);
  }

  async #run(): Promise<void> {
    try {
      // Requests that come together start together.
      await breathe();
      for (let turns = this.#plan(); turns.length > 0; turns = this.#plan()) {
        const results = await this.#passes.run(turns);
        this.#computedTokens += turns.reduce((sum, { rows }) => sum + rows, 0);
        this.#scheduler.complete(turns);
        for (const result of results) this.#take(result);
        await breathe();
      }
      this.#scheduler.check();
    } catch (error) {
      this.#end(error, { cause: error });
    } finally {
      this.#loop = undefined;
    }
  }

  #plan(): Turn<Work>[] {
    const now = this.#clock();
    for (const late of this.#scheduler.expire(now)) this.#tellExpired(late, now);
    return this.#scheduler.schedule();
  }

  #tellExpired(work: Work, now: number): void {
    const { running, waiting } = this.#scheduler;
    const late = (now - work.deadline).toFixed(1);
    const what =
      `its time to wait was over ${late} s ago, before there was a place: ` +
      `${running.length} are running, ${waiting.size} waiting.`;
    tell(work, new RequestError('expired', 'engine', what, { hint: 'try again later' }));
  }

  /** Whatever goes wrong with one text ends that text: the others have nothing to do with it. */
  #take({ sequence, from, values, chosen }: TurnResult): void {
    if (sequence.state !== 'running') return; // cancelled during the step
    try {
      const done =
        sequence instanceof EmbedText
          ? sequence.take(values, from)
          : sequence.take(values, this.#row, from, chosen ? idsInTurn(chosen) : this.#choose);
      if (done) this.#scheduler.remove(sequence);
    } catch (error) {
      this.#scheduler.remove(sequence);
      tell(sequence, error);
    }
  }

  readonly #choose = (logits: Float32Array, text: IdText): number => {
    const rules = { mask: text.allowed(this.vocabSize), endIds: text.stopIds };
    return this.#sampler.sample(logits, text.request.sampling, text, rules);
  };

  #end(error: unknown, closed: { cause?: unknown }): void {
    this.#closed = closed;
    const { running, waiting } = this.#scheduler;
    for (const work of [...running, ...waiting]) {
      this.#scheduler.remove(work);
      tell(work, error);
    }
  }
}

/** What the device chose, one id after another. @throws CriaError where there was none to choose */
function idsInTurn(chosen: Int32Array): () => number {
  let next = 0;
  return () => checkChosen(chosen[next++] ?? NaN);
}

/** A reader that throws is nobody's concern but its own. */
function tell({ reader }: Work, error: unknown): void {
  try {
    reader.fail(error);
  } catch {
    // It has heard of its end, and made of it what it could.
  }
}

/** Lets everything else of the event loop have a turn. */
function breathe(): Promise<void> {
  return new Promise((resolve) =>
    typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve),
  );
}
