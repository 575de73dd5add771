import type { EngineClient } from '../engine-client.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { TextDesk } from '../chat/desk.ts';
import type { KeyRing } from './auth.ts';
import { ApiError } from './errors.ts';

/** What the routes know of the server. The engine comes when the model is loaded. */
export interface ServerState {
  phase: 'loading' | 'ready' | 'draining' | 'failed';
  engine: EngineClient | undefined;
  /** Hears of faults of the server itself, which clients see as a bare 500. */
  readonly onError: (error: unknown) => void;
  /** Counts of what was asked and made. */
  readonly metrics: Metrics;
  /** Where a line for each request goes. */
  readonly log: Log;
  /** Tokenizer and chat template of the model, on a thread of their own. */
  readonly desk: TextDesk;
  /** Keys that clients must show; undefined: none. */
  readonly keys: KeyRing | undefined;
  /** Other web sites that browsers may let in. */
  readonly corsOrigins: readonly string[];
  /** Refuse every field that is not known. */
  readonly strict: boolean;
  /** Whether requests must name this machine. */
  readonly localOnly: boolean;
  /** Milliseconds of silence in a stream before a ping. */
  readonly pingInterval: number;
}

/** The engine, where it takes work. @throws ApiError with what the server does instead */
export function engineOf({ phase, engine }: ServerState): EngineClient {
  if (phase === 'failed') throw new ApiError(500, 'the engine failed.', { code: 'engine_failed' });
  if (phase !== 'ready' || !engine) {
    throw new ApiError(503, `the server is ${phase}.`, {
      code: phase,
      retryAfterMs: phase === 'loading' ? 1000 : 5000,
    });
  }
  return engine;
}
