/** The user's folder for what can be made again, or undefined where nothing shall be kept. */
export function cacheFolder(
  env?: Readonly<Record<string, string | undefined>>,
  platform?: string,
): string | undefined;
/** The bytes kept under a key, or undefined. A damaged entry is dropped. */
export function kept(key: string, folder?: string): Uint8Array | undefined;
/** Keeps bytes under a key and drops the oldest entries above the limit, in bytes. */
export function keep(key: string, bytes: Uint8Array, options?: { folder?: string; limit?: number }): void;
