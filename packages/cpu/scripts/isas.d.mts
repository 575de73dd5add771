/** Instruction sets of processors of this kind (`process.arch`), longest to compile first. */
export function isasOf(arch: string): string[];
/** Which of them the compiler can make, and why not the others. */
export function knownTo(
  compiler: string,
  wanted: readonly string[],
): { known: string[]; leftOut: Record<string, string> };
