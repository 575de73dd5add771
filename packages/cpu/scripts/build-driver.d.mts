/** A standalone program that runs the kernels, or what is missing to build it. */
export function buildDriver(
  kind: 'address' | 'thread' | 'neon' | 'tiles' | 'tiles-address',
  options?: { readonly all?: boolean },
): Promise<{ path: string } | { problem: string }>;
