/** What a browser has and Node's types do not name, as far as this package uses it. */
export interface BrowserWorker {
  addEventListener(
    type: 'message' | 'error',
    listener: (event: { readonly data?: unknown; readonly message?: string }) => void,
  ): void;
  postMessage(message: unknown): void;
  terminate(): void;
}

export interface BrowserGlobals {
  readonly Worker?: new (url: string) => BrowserWorker;
  /** There on a page, not in a worker. */
  readonly document?: object;
  /** Whether memory can be shared between threads. */
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

export const browser = globalThis as unknown as BrowserGlobals;
