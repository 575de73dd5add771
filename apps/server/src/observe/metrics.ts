import { DrainRate } from './drain-rate.ts';
import { Histogram } from './histogram.ts';

/** Seconds: from a cached prompt of a small model to a long one of a large one. */
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536];

/** How a text ended, as vLLM's labels name it. */
export type EndReason = 'stop' | 'length' | 'abort' | 'error';

/** What is known of a text when it ends. */
export interface TextRecord {
  readonly reason: EndReason;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly tokens: number;
  /** Milliseconds from the request to the first token, and to the end; the first is undefined where none came. */
  readonly firstToken: number | undefined;
  readonly whole: number;
}

/** Everything that is counted of texts and answers. Gauges are asked of the engine when somebody reads. */
export class Metrics {
  readonly drain = new DrainRate();
  readonly firstToken = new Histogram(SECONDS);
  readonly tokenGap = new Histogram(SECONDS);
  readonly whole = new Histogram(SECONDS);
  readonly promptLength = new Histogram(TOKENS);
  readonly textLength = new Histogram(TOKENS);
  /** Of all texts, ended or not. */
  promptTokens = 0;
  cachedTokens = 0;
  tokens = 0;
  /** Seconds that prompts took to their first token, and texts from there on. */
  promptSeconds = 0;
  textSeconds = 0;
  /** Most tokens that a text had, its prompt included. */
  mostTokens = 0;
  readonly ended: Record<EndReason, number> = { stop: 0, length: 0, abort: 0, error: 0 };
  /** Answers by status. */
  readonly answers = new Map<number, number>();
  /** Texts that are on the way. */
  active = 0;

  begin(): void {
    this.active++;
    this.drain.begin();
  }

  /** A text takes no place any more. */
  leave(): void {
    this.active--;
    this.drain.end(this.active);
  }

  record({ reason, promptTokens, cachedTokens, tokens, firstToken, whole }: TextRecord): void {
    this.ended[reason]++;
    this.promptTokens += promptTokens;
    this.cachedTokens += cachedTokens;
    this.tokens += tokens;
    this.mostTokens = Math.max(this.mostTokens, promptTokens + tokens);
    this.whole.observe(whole / 1000);
    this.promptLength.observe(promptTokens);
    this.textLength.observe(tokens);
    if (firstToken === undefined) return;
    this.firstToken.observe(firstToken / 1000);
    this.promptSeconds += firstToken / 1000;
    this.textSeconds += (whole - firstToken) / 1000;
    if (tokens > 1) this.tokenGap.observe((whole - firstToken) / 1000 / (tokens - 1));
  }

  answered(status: number): void {
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
  }
}
